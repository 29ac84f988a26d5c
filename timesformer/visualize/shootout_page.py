"""A shootout as a page: the models in one table, accuracy with intervals, cost against accuracy."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from timesformer.visualize.figure_files import FIGURES, figure_names
from timesformer.visualize.figure_style import svg_text
from timesformer.visualize.page import render_page
from timesformer.visualize.schema import require_schema
from timesformer.visualize.shootout_figures import shown_names, tested_models

METHODS = {
    "probe": "The head of each model was trained on features of its frozen backbone.",
    "finetune": "All parameters of each model were trained.",
}
DEFINITIONS = (
    ("accuracy", "Of every video by the model that was not trained on it: the list is divided into folds, "
     "and each is tested by a model that was trained on the others. Each video has one view, its middle "
     "clip and centre crop."),
    ("to the best", "The difference on the same videos in points, with its 95 % interval. An interval "
     "with 0 inside says that these videos do not tell the two models apart. The best of several models "
     "is so partly by luck; p values are adjusted for all pairs by Holm's method."),
    ("videos a second", "Of the tests of all folds, reading of the videos included."),
    ("memory", "The highest of all folds: of the GPU, or without one of the process, which trains, "
     "tests, and holds PyTorch too. Processes that read videos are not counted."),
    ("training", "The mean of the folds, from weights to the last checkpoint."),
    ("G mult-adds", "Multiply-adds of one clip in billions."),
)  # fmt: skip


def render_shootout(report: Mapping[str, Any]) -> str:
    """The page of ``report``, see ``engine.shootout.report``.

    Raises:
        SchemaError: the report is of another version.
    """
    require_schema(report, "shootout")
    tested = tested_models(report)
    return render_page(
        "shootout.html",
        title=f"Shootout of {len(report['models'])} models",
        report=report,
        tested=tested,
        shown=shown_names(model["name"] for model in report["models"]),
        failed=[model for model in report["models"] if model["status"] == "failed"],
        marks=[tested[0]["accuracy"][name]["value"] for name in ("chance", "majority")]
        if tested
        else [],
        method=METHODS[report["method"]],
        definitions=DEFINITIONS,
        figures={
            name: Markup(svg_text(FIGURES[name].draw(report), name))
            for name in figure_names(report)
        },
    )
