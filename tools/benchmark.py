"""Measure what costs time: python tools/benchmark.py {data,model} --cfg FILE KEY VALUE ..."""

import argparse
import json
import os

from timesformer.cli.arguments import Parser
from timesformer.files import write_atomically
from timesformer.runtime.command import command, leave

TARGETS = {"train clip": 6, "1 x 3 views": 9, "10 x 3 views": 20}  # times faster than the naive way


@command("benchmark.py")
def main() -> int:
    """Print the table of the chosen measurement; status 2 for input that cannot be used."""
    arguments = parse_arguments()
    from timesformer.config import load_config

    cfg = load_config(arguments.cfg, arguments.opts)
    if arguments.what == "model":
        benchmark_model(cfg, arguments)
        return 0
    report = benchmark_data(cfg, arguments)
    if arguments.json:
        print(json.dumps(report, indent=2))
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    top = Parser(description=__doc__)
    parts = top.add_subparsers(dest="what", required=True)
    parser = parts.add_parser(
        "data", keys=True, help="reading clips, on the train list of the configuration"
    )
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument("--videos", type=int, default=8, help="videos of the train list to measure")
    parser.add_argument(
        "--repeats", type=int, default=3, help="measurements of each; medians count"
    )
    parser.add_argument("--seconds", type=float, default=8, help="for each number of workers")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON too")
    _add_model_arguments(
        parts.add_parser("model", keys=True, help="forward passes and training steps")
    )
    return top.parse_args()


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument(
        "--variants",
        default="fp32,bf16,bf16+compile,bf16+checkpoint",
        metavar="NAMES",
        help="fp32, tf32, bf16, fp16, with +compile, +checkpoint (default: %(default)s)",
    )
    parser.add_argument("--compare", choices=["hf"], help="Hugging Face's model of the same size")
    parser.add_argument(
        "--batch-size", type=int, help="clips (default: a process's share of TRAIN.BATCH_SIZE)"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="turns of all variants; medians count"
    )
    parser.add_argument("--json", metavar="FILE", help="write every measurement there too")


def benchmark_data(cfg, arguments: argparse.Namespace) -> dict:
    """Costs of a training clip and of test views, and clips a second by number of workers."""
    import cv2
    import torch
    from tqdm import tqdm

    from timesformer.datasets import build_dataset, build_loader, build_view
    from timesformer.engine import benchmark_data as benchmark
    from timesformer.io.terminal import hides_bars

    cv2.setNumThreads(0)  # as in loader processes
    torch.set_num_threads(1)
    dataset = build_dataset(cfg, "train")
    count = len(dataset)
    indices = sorted(
        {round(i * (count - 1) / max(arguments.videos - 1, 1)) for i in range(arguments.videos)}
    )
    cases = {"train clip": build_view(cfg, "train")}
    for views in sorted({cfg.TEST.NUM_ENSEMBLE_VIEWS, 1, 10}):
        cases[f"{views} x 3 views"] = build_view(_with_views(cfg, views), "test")
    costs = {
        name: benchmark.measure_case(dataset, view, indices, repeats=arguments.repeats)
        for name, view in tqdm(cases.items(), desc="videos", disable=hides_bars())
    }
    print(f"{len(indices)} of {count} videos of {dataset.videos.origin}, median of each\n")
    print(format_costs(costs))
    rates = {
        workers: benchmark.measure_loader(
            lambda n: build_loader(_with_workers(cfg, n), "train"),
            workers,
            seconds=arguments.seconds,
        )
        for workers in worker_counts(os.cpu_count() or 1)
    }
    print("\nloader, training clips a second by number of processes")
    print("  ".join(f"{workers}: {rate:.1f}" for workers, rate in rates.items()))
    print(f"\n{bottleneck(costs['train clip'])}")
    return {"costs": {name: cost._asdict() for name, cost in costs.items()}, "clips_per_s": rates}


def benchmark_model(cfg, arguments: argparse.Namespace) -> None:
    """Times, floors and memory of every variant, and how they compare."""
    from functools import partial

    import torch
    from tqdm import tqdm

    from timesformer.config import ConfigError
    from timesformer.engine import benchmark_model as model
    from timesformer.engine.benchmark_variants import device_of, parse_variants
    from timesformer.io.terminal import hides_bars

    size, repeats = arguments.batch_size, arguments.repeats
    if size is None:
        size = max(1, cfg.TRAIN.BATCH_SIZE // max(1, cfg.NUM_GPUS))
    if min(repeats, size) < 1:
        raise ConfigError("--repeats and --batch-size must be at least 1")
    on_gpu, hf = device_of(cfg).type == "cuda", arguments.compare is not None
    variants = parse_variants(arguments.variants, on_gpu=on_gpu, hf=hf)
    bar = partial(tqdm, disable=hides_bars())
    report = model.measure(cfg, variants, batch_size=size, repeats=repeats, bar=bar)
    print(
        f"{cfg.TIMESFORMER.ATTENTION_TYPE}, {report.parameters / 1e6:.1f} M parameters, "
        f"{report.flops / 1e9:.1f} GFLOP a clip of {cfg.DATA.NUM_FRAMES} x "
        f"{cfg.DATA.TRAIN_CROP_SIZE}²; {size} clip(s) a batch on {report.device} "
        f"({torch.get_num_threads()} threads); medians of {repeats} turns\n"
    )
    print(format_model(report))
    if arguments.json:
        content = {**report._asdict(), "summary": model.summary(report)}
        content["turns"] = {k: [t._asdict() for t in v] for k, v in report.turns.items()}
        with write_atomically(arguments.json, option="--json") as file:
            json.dump(content, file, indent=2)


def format_model(report) -> str:
    """The table of variants: times, their ratios to floor and Hugging Face's, memory, peaks."""
    from timesformer.engine.benchmark_model import summary

    ratios = ("x floor", "x hf", "clips/s")
    rows = [("", "forward ms", *ratios, "step ms", *ratios, "MiB", "x hf")]
    for name, row in summary(report).items():
        cells = [name]
        for kind in ("forward", "train"):
            seconds = row[f"{kind}_seconds"]
            cells += [f"{1e3 * seconds:.0f}", f"{row[f'{kind}_over_floor']:.2f}"]
            cells += [_number(row.get(f"{kind}_over_hf")), f"{report.batch_size / seconds:.2f}"]
        memory = row["memory"] and row["memory"] / 2**20
        rows.append((*cells, _number(memory, 0), _number(row.get("memory_over_hf"))))
    peaks = ", ".join(
        f"{row['peak_flops'] / 1e12:.2f} ({name})" for name, row in summary(report).items()
    )
    return f"{_table(rows)}\n\nmatrix peak, TFLOP/s: {peaks}"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def format_costs(costs: dict) -> str:
    """The table of costs."""
    head = (
        "",
        "ours ms",
        "all cores",
        "floor ms",
        "naive ms",
        "ours/floor",
        "naive/ours",
        "decoded",
        "converted",
        "kept",
    )
    rows = [head]
    for name, cost in costs.items():
        goal = f" (goal {TARGETS[name]})" if name in TARGETS else ""
        milliseconds = (cost.ours_ms, cost.all_cores_ms, cost.floor_ms, cost.naive_ms)
        times = tuple(f"{value:.1f}" for value in milliseconds)
        ratios = (
            f"{cost.ours_ms / cost.floor_ms:.2f}",
            f"{cost.naive_ms / cost.ours_ms:.1f}{goal}",
        )
        frames = (f"{cost.decoded:.0f}", f"{cost.converted:.0f}", f"{cost.kept:.0f}")
        rows.append((name, *times, *ratios, *frames))
    return _table(rows)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows
    )


def bottleneck(cost) -> str:
    """One line: the part of a training clip that takes longest."""
    decode = min(cost.floor_ms, cost.read_ms)
    parts = {
        "decoding (a smaller or easier codec helps: tools/prepare_data.py --resize)": decode,
        "opening the file and converting frames": cost.read_ms - decode,
        "scaling and cropping": cost.ours_ms - cost.read_ms,
    }
    name = max(parts, key=parts.__getitem__)
    return f"bottleneck of a training clip: {name}, {100 * parts[name] / cost.ours_ms:.0f} %"


def worker_counts(cores: int) -> list[int]:
    """0, 1, 2, 4, ... up to the cores."""
    counts = [0, 1]
    while counts[-1] * 2 <= cores:
        counts.append(counts[-1] * 2)
    return counts


def _with_views(cfg, views: int):
    from timesformer.config import changed

    return changed(cfg, {"TEST.NUM_ENSEMBLE_VIEWS": views, "TEST.NUM_SPATIAL_CROPS": 3})


def _with_workers(cfg, workers: int):
    from timesformer.config import changed

    return changed(cfg, {"DATA_LOADER.NUM_WORKERS": workers})


if __name__ == "__main__":
    leave(main())
