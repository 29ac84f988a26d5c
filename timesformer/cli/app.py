"""How a function becomes a command: one typer command a file, imported when it is asked for.

``@command`` makes the command line of a function from its annotated parameters. The docstring of its
module is the help, ``-v`` and ``-q`` are added, and configuration keys may stand anywhere (``words``).
"""

import functools
import importlib
import inspect
import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from timesformer import __version__
from timesformer.cli.ending import status_of
from timesformer.cli.words import arrange
from timesformer.io.terminal import log_to_stderr, set_verbosity

T = TypeVar("T")
PANELS = {  # of the help -> commands; a command is `main` of the module of its name
    "Train and test": ("train", "test", "finetune", "plan", "submit"),
    "Use a model": (
        "predict",
        "detect",
        "watch",
        "features",
        "few-shot",
        "cluster",
        "align",
        "inspect",
        "convert",
        "export",
    ),
    "Prepare data": (
        "prepare",
        "check",
        "shards",
        "extract-flow",
        "sampling",
        "make-motion-dataset",
    ),
    "Look at results": (
        "report",
        "compare",
        "detect-eval",
        "watch-eval",
        "fuse",
        "shootout",
        "compare-finetuning",
        "plot",
        "benchmark",
    ),
    "Look things up": ("keys", "models"),
}
PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}
STATUS = (
    "Exit status: 0 success; {}2 input that cannot be used; 130 Ctrl-C; 143 SIGTERM; 141 the reader of "
    "the output has gone."
)
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
VERBOSITY = ("-v", "--verbose"), ("-q", "--quiet")


class Command(TyperCommand):
    """A command whose line may hold configuration keys anywhere, and that returns a status."""

    interrupted = ""  # what an interruption means for the work

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click, after the words are brought into its order."""
        params = self.get_params(ctx)
        names = ((name, param) for param in params for name in (*param.opts, *param.secondary_opts))
        options = {name: param for name, param in names if name.startswith("-")}
        arguments = [param for param in params if param.param_type_name == "argument"]
        most = len(arguments) if all(param.nargs == 1 for param in arguments) else None
        words = arrange(args, options, most, fail=ctx.fail)
        loud, quiet = ({*words[: words.index("--")]} & {*names} for names in VERBOSITY)
        if loud and quiet:
            ctx.fail("-v and -q exclude each other")
        set_verbosity(bool(loud) - bool(quiet))
        log_to_stderr(logging.INFO if loud else logging.WARNING)
        rest: list[str] = super().parse_args(ctx, words)
        return rest

    def get_params(self, ctx: Any) -> list[Any]:
        """As Click; the help shows no type of a flag."""
        return _with_plain_flags(super().get_params(ctx))

    def invoke(self, ctx: Any) -> int:
        """The exit status of the function."""
        run = super().invoke
        return status_of(lambda: run(ctx), ctx.command_path, self.interrupted)


class Commands(TyperGroup):
    """Several commands; ``-v`` and ``-q`` may stand before the name of one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click, after these options are moved behind the name."""
        flags = list(itertools.takewhile({*VERBOSITY[0], *VERBOSITY[1]}.__contains__, args))
        rest = args[len(flags) :]
        return super().parse_args(ctx, [rest[0], *flags, *rest[1:]] if rest else ["--help"])

    def get_params(self, ctx: Any) -> list[Any]:
        """As those of one command."""
        return _with_plain_flags(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """All commands by panel; without rich, which takes longer to import than all the rest."""
        for panel, names in PANELS.items():
            with formatter.section(panel):
                formatter.write_dl([(name, _first_line(self.commands[name])) for name in names])


class Lazy(Mapping[str, Any]):
    """All commands by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        if name not in PANEL_OF:
            raise KeyError(name)
        made = importlib.import_module(f"timesformer.cli.{name.replace('-', '_')}").main
        made.name = name
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
            _expanded(main),
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


def group(text: str, **commands: Any) -> Commands:
    """A command of several parts, with the help ``text``."""
    return Commands(help=unwrap(text), commands=commands, context_settings=HELP_OPTIONS)


def run(words: Sequence[str], *, name: str = "", prog: str = "timesformer") -> int:
    """The exit status of a command line: of the command ``name``, or of the one that it begins with."""

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


def _expanded(main: Callable[..., T]) -> Callable[..., T]:
    """``main`` with the fields of its parameters that are dataclasses as parameters of their own."""
    own = inspect.signature(main).parameters
    groups: dict[str, Any] = {
        name: each.annotation for name, each in own.items() if is_dataclass(each.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, each in own.items():
        parameters += map(_parameter, fields(groups[name])) if name in groups else [each]
    parameters.sort(key=lambda each: each.default is not each.empty)

    def expanded(**given: Any) -> T:
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        return main(**given)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def _parameter(field: Field[Any]) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(field.name, kind, default=default, annotation=field.type)


def _typer_command(function: Callable[..., Any], **options: Any) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(context_settings=HELP_OPTIONS, **options)(function)
    return get_command(app)


def _with_plain_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


def _all_commands() -> Any:
    app = typer.Typer(
        add_completion=False, cls=Commands, context_settings=HELP_OPTIONS, rich_markup_mode=None
    )
    app.callback(epilog=f"timesformer COMMAND --help shows an example.\n\n{STATUS.format('')}")(
        _top
    )
    made = get_command(app)
    made.commands = Lazy()  # type: ignore[attr-defined]
    return made


def _first_line(made: Any) -> str:
    line: str = made.help.partition("\n")[0]
    return line


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


@functools.cache
def _verbosity_options() -> list[Any]:
    options: list[Any] = _typer_command(_verbosity).params
    return options


def _verbosity(
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", expose_value=False, help="Show all messages.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("-q", "--quiet", expose_value=False, help="Show warnings and results only."),
    ] = False,
) -> None:
    """The options of every command."""
