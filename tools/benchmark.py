"""Measure what costs time: python tools/benchmark.py data --cfg FILE KEY VALUE ..."""

import argparse
import json
import logging
import os
import sys

TARGETS = {"train clip": 6, "1 x 3 views": 9, "10 x 3 views": 20}  # times faster than the naive way


def main() -> int:
    """Print the table of the chosen measurement; status 2 for input that cannot be used."""
    arguments = parse_arguments()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    from timesformer.config import ConfigError, load_config
    from timesformer.datasets.lists import ListError
    from timesformer.video import VideoError

    try:
        cfg = load_config(arguments.cfg, arguments.opts)
        report = benchmark_data(cfg, arguments)
    except (ConfigError, ListError, VideoError) as error:
        print(f"benchmark.py: error: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(report, indent=2))
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__)
    parser = top.add_subparsers(dest="what", required=True).add_parser(
        "data", help="reading clips, on the train list of the configuration"
    )
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument("--videos", type=int, default=8, help="videos of the train list to measure")
    parser.add_argument(
        "--repeats", type=int, default=3, help="measurements of each; medians count"
    )
    parser.add_argument("--seconds", type=float, default=8, help="for each number of workers")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON too")
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE")
    return top.parse_args()


def benchmark_data(cfg, arguments: argparse.Namespace) -> dict:
    """Costs of a training clip and of test views, and clips a second by number of workers."""
    import cv2
    import torch
    from tqdm import tqdm

    from timesformer import benchmark
    from timesformer.datasets import build_dataset, build_loader, build_view

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
        for name, view in tqdm(cases.items(), desc="videos", disable=not sys.stderr.isatty())
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
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
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
    return _changed(cfg, ["TEST.NUM_ENSEMBLE_VIEWS", views, "TEST.NUM_SPATIAL_CROPS", 3])


def _with_workers(cfg, workers: int):
    return _changed(cfg, ["DATA_LOADER.NUM_WORKERS", workers])


def _changed(cfg, pairs: list):
    changed = cfg.clone()
    changed.defrost()
    changed.merge_from_list(pairs)
    changed.freeze()
    return changed


if __name__ == "__main__":
    sys.exit(main())
