"""Find actions in a stream while they happen: a camera, an address of the network, a pipe or a file.

Every window of the stream is scored as timesformer detect scores it in a recording, as soon as it is
whole. One line of JSON is printed for each window and for each action that begins or ends; the last one
is the summary, also after Ctrl-C. If the model is too slow, whole windows are skipped and counted.

$ timesformer watch rtsp://camera/1 --weights model.pyth --rules tuned/rules.yaml --page 8000
$ timesformer watch /dev/video0 --weights model.pyth --stride 0.5 --events --hold 0.5
$ timesformer watch film.mp4 --weights model.pyth --realtime --speed 2 --probabilities
$ ffmpeg -i film.mp4 -c copy -f mpegts - | timesformer watch - --weights model.pyth --late wait
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.cli.detect_rules import RuleOptions, WindowOptions, tell_background
from timesformer.cli.options import seconds_or_default
from timesformer.cli.watch_output import Output, Warnings
from timesformer.io.terminal import printable, without_password

if TYPE_CHECKING:
    from timesformer.detection.online.watcher import Watcher
    from timesformer.inference.predictor import Predictor

    Settings = tuple[Predictor, float, int]


@command(
    fails="the stream broke off, or a part of it could not be read",
    interrupted="if the stream had begun, its summary is above",
)
def main(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="/dev/video0, rtsp://..., http://..., a file, or - for a pipe.",
        ),
    ],
    use: model.ModelOptions,
    segments: RuleOptions,
    windows: WindowOptions,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Give the frames of a file when a camera would.")
    ] = False,
    speed: Annotated[
        float | None, seconds_or_default("Times real time, with --realtime (1).", unit="FACTOR")
    ] = None,
    late: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="When the model is too slow: skip all windows but the newest (default of live sources), "
            "queue:N the N newest, or wait (default of files).",
        ),
    ] = None,
    hold: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="An action is told when it has gone on so long."
        ),
    ] = 0.0,
    max_latency: Annotated[
        float | None, seconds_or_default("Warn when a window is later than this.")
    ] = None,
    retry: Annotated[
        int, typer.Option(min=0, help="Attempts to connect again before giving up.")
    ] = 5,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Without data of the network.")
    ] = 10.0,
    events: Annotated[
        bool, typer.Option("--events", help="Print actions and changes of the source alone.")
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Print the probabilities of all classes, as timesformer watch-eval needs them.",
        ),
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Choose stride, crops and precision so that a window is known within this, as 200ms.",
        ),
    ] = None,
    page: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="Show a live page at this port."),
    ] = None,
) -> int:
    """Print lines until the source ends."""
    rules = segments.segment_rules()
    from timesformer.detection.online.watcher import Watcher

    if speed is not None and not realtime:
        raise typer.BadParameter("--speed is for a file with --realtime; add it")
    if budget is None:
        predictor = use.open_predictor()
    elif windows.stride is not None or windows.crops != 1:
        raise typer.BadParameter("--budget chooses --stride and --crops; leave them out")
    else:
        predictor, stride, crops = within(budget, use, windows.span)
        windows = replace(windows, stride=stride, crops=crops)
    tell_background(rules, predictor.class_names)
    with Output(with_windows=not events, with_probabilities=probabilities, port=page) as output:
        watcher = Watcher(
            predictor,
            source,
            **windows.__dict__,
            rules=rules,
            late=late,
            hold=hold,
            speed=(speed or 1.0) if realtime else None,
            retries=retry,
            timeout=timeout,
            show=output.show,
        )
        output.write(about(watcher, predictor, use.weights))
        warn = Warnings(max_latency)
        try:
            for item in watcher:
                output.take(item)
                warn.look(item)
        except BaseException:
            for item in watcher.finish():
                output.take(item)
            raise
    if watcher.failure:
        model.tell(f"{watcher.source.shown}: {printable(watcher.failure)}")
    return int(bool(watcher.failure))


def within(budget: str, use: model.ModelOptions, span: float | None) -> "Settings":
    """The predictor, stride and crops that keep a time, which are told."""
    from timesformer.detection.detector import Detector
    from timesformer.detection.online.budget import choose, measured, parse_budget

    seconds = parse_budget(budget)
    opened: dict[str, Predictor] = {}

    def open_predictor(precision: Any) -> "Predictor":
        if precision not in opened:
            opened[precision] = replace(use, precision=precision).open_predictor()
        return opened[precision]

    precisions = ("fp32", "bf16") if use.precision == "fp32" else (use.precision,)
    window = Detector(open_predictor(precisions[0]), span=span).grid.span
    chosen = choose(measured(open_predictor, precisions), span=window, budget=seconds)
    cost = chosen.cost
    model.tell(
        f"--budget {budget}: {cost.precision}, --crops {cost.crops}, --stride {chosen.stride:g}; a window "
        f"takes {1000 * cost.seconds:.0f} ms"
    )
    return opened[cost.precision], chosen.stride, cost.crops


def about(watcher: "Watcher", predictor: "Predictor", weights: str) -> dict[str, Any]:
    """The first line: what is watched, and how."""
    return {
        "kind": "stream",
        "source": without_password(watcher.source.name),
        "weights": weights,
        "model": predictor.model.kind,
        "class_names": list(watcher.class_names),
        "span": watcher.detector.grid.span,
        "stride": watcher.detector.grid.stride,
        "crops": watcher.detector.crops,
        "precision": predictor.precision,
        "device": str(predictor.device),
        "late": watcher.late,
        "speed": watcher.speed,
        "hold": watcher.hold,
        "rules": watcher.rules.__dict__,
    }
