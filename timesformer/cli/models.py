"""List the models that MODEL.MODEL_NAME can name, with their size, cost and input.

PATTERN is a part of a name, or with * and ? a whole name. Models of timm are listed for a pattern that
starts with timm/ or two_stream/. A model of transformers is described by its name, hf/FOLDER or
hf/OWNER/NAME. Cost is of one clip, in billions of multiply-adds. Nothing is downloaded.

$ timesformer models
$ timesformer models x3d
$ timesformer models "timm/resnet18*" --json
"""

from typing import TYPE_CHECKING, Annotated

import typer

from timesformer.cli.app import command

if TYPE_CHECKING:
    from timesformer.models.catalogue import ModelFacts

HEAD = ("name", "parameters", "G mult-adds", "clip", "frames at least", "licence of weights")
WIDTHS = (36, 10, 11, 10, 15, 18)


@command()
def main(
    pattern: Annotated[str, typer.Argument(show_default=False, help="Default: all models.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print a row a model, each as soon as it is known."""
    from timesformer.config import ConfigError
    from timesformer.io.json_text import json_text
    from timesformer.models import MODELS
    from timesformer.models.catalogue import facts_of, find_names
    from timesformer.models.spec import families, unknown_name
    from timesformer.tables import format_table

    names = find_names(pattern)
    if not names:
        raise ConfigError(unknown_name(pattern, find_names(), families(MODELS)))
    if as_json:
        print(json_text([facts_of(name)._asdict() for name in names]))
        return
    print(format_table([HEAD], widths=WIDTHS, right=(1, 2)))
    for name in names:
        print(
            format_table([row(facts_of(name))], has_head=False, widths=WIDTHS, right=(1, 2)),
            flush=True,
        )
    if not pattern:
        print(
            "and timm/NAME+STEP and two_stream/NAME+FUSION with every image model of timm (timesformer "
            "models timm/resnet18), hf/FOLDER with every video classifier of transformers"
        )


def row(facts: "ModelFacts") -> tuple[str, ...]:
    """The cells of a model."""
    return (
        facts.name,
        f"{facts.parameters / 1e6:.1f} M",
        f"{facts.multiply_adds / 1e9:.1f}",
        f"{facts.num_frames} x {facts.side}²",
        str(facts.fewest_frames or "?"),
        facts.licence,
    )
