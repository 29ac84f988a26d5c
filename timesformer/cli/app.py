"""How a function becomes a command: one typer command a file, imported when it is asked for.

``@command`` makes the command line of a function from its annotated parameters. The docstring of its
module is the help, ``-v`` and ``-q`` are added, and configuration keys may stand anywhere (``words``).
"""

import functools
import importlib
import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from timesformer import __version__
from timesformer.cli.ending import status_of
from timesformer.cli.words import arrange
from timesformer.io.terminal import log_to_stderr, set_verbosity, verbosity

PANELS = {  # of the help -> commands; a command is `main` of the module of its name
    "Train and test": ("train", "test", "finetune", "plan", "submit"),
    "Use a model": ("predict", "features", "inspect", "convert"),
    "Prepare data": ("prepare", "check", "shards", "sampling", "make-motion-dataset"),
    "Look at results": ("compare", "compare-finetuning", "plot", "benchmark"),
    "Look things up": ("keys",),
}
PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}
STATUS = (
    "Exit status: 0 success; {}2 input that cannot be used; 130 Ctrl-C; 143 SIGTERM; 141 the reader of "
    "the output has gone."
)
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
VERBOSITY = ("-v", "--verbose", "-q", "--quiet")


class Command(TyperCommand):
    """A command whose line may hold configuration keys anywhere, and that returns a status."""

    interrupted = ""  # what an interruption means for the work

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """As Click, after the words are brought into its order."""
        params = self.get_params(ctx)
        options = {name: param for param in params for name in param.opts if name.startswith("-")}
        arguments = [param for param in params if param.param_type_name == "argument"]
        most = len(arguments) if all(param.nargs == 1 for param in arguments) else None
        words = arrange(args, options, most, fail=ctx.fail)
        rest: list[str] = super().parse_args(ctx, words)
        log_to_stderr(logging.INFO if verbosity() > 0 else logging.WARNING)
        return rest

    def invoke(self, ctx: typer.Context) -> int:
        """The exit status of the function."""
        run = super().invoke
        return status_of(lambda: run(ctx), ctx.command_path, self.interrupted)


class Commands(TyperGroup):
    """Several commands; ``-v`` and ``-q`` may stand before the name of one."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """As Click, after these options are moved behind the name."""
        flags = list(itertools.takewhile(VERBOSITY.__contains__, args))
        rest = args[len(flags) :]
        return super().parse_args(ctx, [*rest[:1], *flags, *rest[1:]] or ["--help"])


class Lazy(Mapping[str, Any]):
    """All commands by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        if name not in PANEL_OF:
            raise KeyError(name)
        made = importlib.import_module(f"timesformer.cli.{name.replace('-', '_')}").main
        made.name, made.rich_help_panel = name, PANEL_OF[name]
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(PANEL_OF)

    def __len__(self) -> int:
        return len(PANEL_OF)


def command(
    *, fails: str = "", interrupted: str = "", text: str = ""
) -> Callable[[Callable[..., int | None]], Command]:
    """Make the command of a function, whose parameters are its options.

    Args:
        fails: what exit status 1 means, if the command has it.
        interrupted: what an interruption means for the work.
        text: of the help, instead of the docstring of the module.
    """

    def decorate(main: Callable[..., int | None]) -> Command:
        made: Command = _typer_command(
            main,
            cls=Command,
            help=unwrap(text or sys.modules[main.__module__].__doc__ or ""),
            epilog=STATUS.format(f"1 {fails}; " if fails else ""),
        )
        made.name = main.__name__
        for param in made.params:
            if param.param_type_name == "argument":
                param.metavar = param.metavar or param.name.upper()
        made.params += _verbosity_options()
        made.interrupted = interrupted
        return made

    return decorate


def group(text: str, **commands: Command) -> Commands:
    """A command of several parts, with the help ``text``."""
    return Commands(help=unwrap(text), commands=commands, context_settings=HELP_OPTIONS)


def run(words: Sequence[str], *, name: str = "", prog: str = "timesformer") -> int:
    """The exit status of a command line: of the command ``name``, or of the one that it begins with."""
    set_verbosity(0)

    def parsed_and_run() -> int | None:
        made = Lazy()[name] if name else _all_commands()
        with made.make_context(prog, list(words)) as context:
            status: int | None = made.invoke(context)
            return status

    return status_of(parsed_and_run, prog)


def unwrap(text: str) -> str:
    """A docstring with one line a paragraph; commands, which begin with ``$``, stay one a line."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(p if p.startswith("$") else p.replace("\n", " ") for p in paragraphs)


def _typer_command(function: Callable[..., Any], **options: Any) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(context_settings=HELP_OPTIONS, **options)(function)
    return get_command(app)


def _all_commands() -> Any:
    app = typer.Typer(add_completion=False, cls=Commands, context_settings=HELP_OPTIONS)
    app.callback(epilog=f"timesformer COMMAND --help shows an example.\n\n{STATUS.format('')}")(
        _top
    )
    made = get_command(app)
    made.commands = Lazy()  # type: ignore[attr-defined]
    return made


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"timesformer {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Train, fine-tune, evaluate and use TimeSformer video transformers."""


def _choose(level: int) -> Callable[[bool], None]:
    def choose(given: bool) -> None:
        if given and verbosity():
            raise typer.BadParameter("-v and -q exclude each other")
        if given:
            set_verbosity(level)

    return choose


@functools.cache
def _verbosity_options() -> list[Any]:
    options: list[Any] = _typer_command(_verbosity).params
    return options


def _verbosity(
    verbose: Annotated[
        bool,
        typer.Option(
            "-v", "--verbose", callback=_choose(1), expose_value=False, help="Show all messages."
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q",
            "--quiet",
            callback=_choose(-1),
            expose_value=False,
            help="Show warnings and results only.",
        ),
    ] = False,
) -> None:
    """The options of every command."""
