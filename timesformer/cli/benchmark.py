"""Measure what costs time.

$ timesformer benchmark data --cfg my.yaml
$ timesformer benchmark model --cfg Kinetics/TimeSformer_divST_8x32_224 --variants fp32,bf16
$ timesformer benchmark detect film.mp4 --weights model.pyth
"""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from timesformer.cli.app import command, group
from timesformer.cli.model import ModelOptions
from timesformer.cli.options import Cfg, Keys, positive_seconds, seconds_or_default
from timesformer.files import write_atomically
from timesformer.io.terminal import hides_bars


@command(
    text="""Measure reading clips, on the train list of a configuration.

$ timesformer benchmark data --cfg my.yaml DATA.PATH_TO_DATA_DIR data/mine
"""
)
def data(
    cfg: Cfg,
    keys: Keys,
    videos: Annotated[int, typer.Option(min=1, help="Videos of the train list to measure.")] = 8,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each; medians count.")] = 3,
    seconds: Annotated[
        float, typer.Option(callback=positive_seconds, help="For each number of workers.")
    ] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON too.")] = False,
) -> None:
    """Costs of a training clip and of test views, and clips a second by number of workers."""
    import cv2
    import torch
    from tqdm import tqdm

    from timesformer.config import changed, load_config
    from timesformer.datasets import build_dataset, build_loader
    from timesformer.engine import benchmark_data as measure

    config = load_config(cfg, keys)
    cv2.setNumThreads(0)  # as in loader processes
    torch.set_num_threads(1)
    dataset = build_dataset(config, "train")
    count = len(dataset)
    indices = sorted({round(i * (count - 1) / max(videos - 1, 1)) for i in range(videos)})
    costs = {
        name: measure.measure_case(dataset, view, indices, repeats=repeats)
        for name, view in tqdm(
            measure.build_cases(config).items(), desc="videos", disable=hides_bars()
        )
    }
    print(f"{len(indices)} of {count} videos of {dataset.videos.origin}, median of each\n")
    print(measure.format_costs(costs))
    rates = {
        workers: measure.measure_loader(
            lambda n: build_loader(changed(config, {"DATA_LOADER.NUM_WORKERS": n}), "train"),
            workers,
            seconds=seconds,
        )
        for workers in worker_counts(os.cpu_count() or 1)
    }
    print("\nloader, training clips a second by number of processes")
    print("  ".join(f"{workers}: {rate:.1f}" for workers, rate in rates.items()))
    print(f"\n{measure.bottleneck(costs['train clip'])}")
    if as_json:
        report = {"costs": {name: cost._asdict() for name, cost in costs.items()}}
        print(json.dumps({**report, "clips_per_s": rates}, indent=2))


@command(
    text="""Measure forward passes and training steps of a model.

$ timesformer benchmark model --cfg Kinetics/TimeSformer_divST_8x32_224 --compare hf
"""
)
def model(
    cfg: Cfg,
    keys: Keys,
    variants: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="fp32, tf32, bf16, fp16, with +compile, +checkpoint; then -SPEEDUP or -all to leave out.",
        ),
    ] = "fp32,bf16,bf16+compile,bf16+checkpoint",
    compare: Annotated[
        Literal["hf"] | None, typer.Option(help="With Hugging Face's model of the same size.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Clips; default: a process's share of TRAIN.BATCH_SIZE."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Rounds of all variants; medians are reported.")
    ] = 5,
    file: Annotated[
        Path | None, typer.Option("--json", help="Write every measurement there too.")
    ] = None,
) -> None:
    """Times, lower bounds and memory of every variant, and how they compare."""
    from tqdm import tqdm

    from timesformer.config import load_config
    from timesformer.engine import benchmark_model as measure

    config = load_config(cfg, keys)
    report = measure.build_report(
        config,
        variants,
        batch_size=batch_size,
        repeats=repeats,
        with_hf=compare is not None,
        bar=partial(tqdm, disable=hides_bars()),
    )
    print(f"{measure.build_heading(config, report)}\n")
    print(measure.format_report(report))
    if file:
        content = {**report._asdict(), "summary": measure.summary(report)}
        content["rounds"] = {k: [r._asdict() for r in v] for k, v in report.rounds.items()}
        with write_atomically(file, option="--json") as stream:
            json.dump(content, stream, indent=2)


@command(
    text="""Measure detection in a film, beside the naive way: cut out and predict every window.

$ timesformer benchmark detect film.mp4 --weights model.pyth --stride 0.5
"""
)
def detect(
    video: Annotated[str, typer.Argument(metavar="FILE", help="A film.")],
    use: ModelOptions,
    stride: Annotated[
        float | None, seconds_or_default("Between windows; default: a quarter of a window.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of all ways; medians count.")] = 3,
) -> None:
    """Seconds of each way, and how they compare."""
    from timesformer.detection.benchmark import format_costs, measure
    from timesformer.detection.detector import Detector
    from timesformer.inference.videos import find_videos

    [film] = find_videos([video])
    predictor = replace_views(use).open_predictor()
    stride = stride or Detector(predictor).grid.span / 4
    print(format_costs(measure(Detector(predictor, stride=stride), film, repeats=repeats)))


def replace_views(use: ModelOptions) -> ModelOptions:
    """One view, as that of a window."""
    return replace(use, views="1x1")


def worker_counts(cores: int) -> list[int]:
    """0, 1, 2, 4, ... up to the cores."""
    counts = [0, 1]
    while counts[-1] * 2 <= cores:
        counts.append(counts[-1] * 2)
    return counts


main = group(__doc__, data=data, model=model, detect=detect)
