"""Time and memory of a model on this machine, beside a lower bound and Hugging Face's model.

The lower bound of a time is the operations of the model (2 for a multiply-add; a training step counts
as three forward passes) divided by the matrix peak of the same arithmetic, measured just before it.
All variants are measured in every round, and medians are reported: of times, and of ratios within a
round. Memory is that of a process of its own: parameters, gradients, optimizer and activations.
"""

import multiprocessing
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from timesformer.config import CfgNode, ConfigError, changed
from timesformer.engine.benchmark_variants import (
    Round,
    Variant,
    build_benchmark_device,
    build_candidate,
    build_hf_config,
    parse_variant,
    parse_variants,
)
from timesformer.models import TIMESFORMERS, build_model
from timesformer.models.flops import multiply_adds
from timesformer.tables import format_table


class Report(NamedTuple):
    """The rounds of every variant, and the model and batch that they measure."""

    device: str
    kind: str  # of the model
    batch_size: int
    parameters: int
    flops: int  # of a forward pass of one clip
    rounds: dict[str, list[Round]]
    memory: dict[str, int | None]  # bytes; None where the system does not tell


def measure(
    cfg: CfgNode,
    variants: Sequence[Variant],
    *,
    batch_size: int,
    repeats: int,
    bar: Callable[..., Iterable[Any]] = lambda steps, desc: steps,
) -> Report:
    """Measure every variant in each of ``repeats`` rounds.

    Raises:
        ConfigError: a model or a scheme that Hugging Face does not have.
    """
    if any(variant.by_hf for variant in variants):
        build_hf_config(cfg)  # raises here: the process that measures memory would only die
    device = build_benchmark_device(cfg)
    with torch.device("meta"):
        shadow = build_model(cfg)
    flops = 2 * multiply_adds(shadow)
    memory = {
        variant.name: _memory(cfg, variant, batch_size) for variant in bar(variants, desc="memory")
    }
    candidates = {
        variant.name: build_candidate(cfg, variant, batch_size, device)
        for variant in bar(variants, desc="warming up")
    }
    rounds: dict[str, list[Round]] = {name: [] for name in candidates}
    for _ in bar(range(repeats), desc="rounds"):
        for name, candidate in candidates.items():
            rounds[name].append(candidate.measure(flops * batch_size))
    return Report(
        device=torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        kind=shadow.kind,
        batch_size=batch_size,
        parameters=sum(parameter.numel() for parameter in shadow.parameters()),
        flops=flops,
        rounds=rounds,
        memory=memory,
    )


def build_report(
    cfg: CfgNode,
    names: str,
    *,
    batch_size: int | None,
    repeats: int,
    with_hf: bool,
    bar: Callable[..., Iterable[Any]],
) -> Report:
    """``measure`` of the variants in ``names``; the batch is by default a process's share."""
    share = max(1, cfg.TRAIN.BATCH_SIZE // max(1, cfg.NUM_GPUS))
    variants = parse_variants(names, on_gpu=build_benchmark_device(cfg).type == "cuda", hf=with_hf)
    return measure(cfg, variants, batch_size=batch_size or share, repeats=repeats, bar=bar)


def build_heading(cfg: CfgNode, report: Report) -> str:
    """What was measured, on one line."""
    repeats = len(next(iter(report.rounds.values())))
    return (
        f"{report.kind}, {report.parameters / 1e6:.1f} M parameters, "
        f"{report.flops / 1e9:.1f} GFLOP a clip of {cfg.DATA.NUM_FRAMES} x "
        f"{cfg.DATA.TRAIN_CROP_SIZE}²; {report.batch_size} clip(s) a batch on {report.device} "
        f"({torch.get_num_threads()} threads); medians of {repeats} rounds"
    )


def summary(report: Report) -> dict[str, dict[str, float | None]]:
    """Medians by variant, over rounds: seconds, ratios to the lower bound and to Hugging Face's model.

    The last are to the same arithmetic, and there only if it was measured.
    """
    rows = {}
    for name, rounds in report.rounds.items():
        row: dict[str, float | None] = {"memory": report.memory[name]}
        reference = f"hf+{parse_variant(name).precision}"
        is_compared = reference in report.rounds and reference != name
        for kind in ("forward", "train"):
            seconds = [getattr(round_, kind) for round_ in rounds]
            bounds = [getattr(round_, f"{kind}_bound") for round_ in rounds]
            row[f"{kind}_seconds"] = statistics.median(seconds)
            row[f"{kind}_over_bound"] = _median_ratio(seconds, bounds)
            if is_compared:
                theirs = [getattr(round_, kind) for round_ in report.rounds[reference]]
                row[f"{kind}_over_hf"] = _median_ratio(seconds, theirs)
        bound = statistics.median(round_.forward_bound for round_ in rounds)
        row["peak_flops"] = report.flops * report.batch_size / bound
        if is_compared and row["memory"] and report.memory[reference]:
            row["memory_over_hf"] = row["memory"] / report.memory[reference]
        rows[name] = row
    return rows


def _median_ratio(a: Sequence[float], b: Sequence[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def _memory(cfg: CfgNode, variant: Variant, batch_size: int) -> int | None:
    """Peak bytes of training steps in a process of their own."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    arguments = (cfg, variant, batch_size, torch.get_num_threads(), send)
    child = context.Process(target=_train_alone, args=arguments)
    child.start()
    send.close()  # so that a child that dies ends the wait below
    try:
        return receive.recv()
    except EOFError:
        raise ConfigError(
            f"the process that measures the memory of {variant.name} died; lower the batch size if "
            "it was short of memory"
        ) from None
    finally:
        child.join()


def _train_alone(cfg: CfgNode, variant: Variant, batch_size: int, threads: int, send: Any) -> None:
    torch.set_num_threads(threads)
    device = build_benchmark_device(cfg)
    with torch.device("meta"):
        build_model(cfg)  # imports, as the step below: not the memory of the model
    tiny = {
        "MODEL.MODEL_NAME": TIMESFORMERS[0],
        "TIMESFORMER.DEPTH": 1,
        "TIMESFORMER.NUM_HEADS": 1,
        "TIMESFORMER.EMBED_DIM": 8,
    }
    build_candidate(changed(cfg, tiny), variant, batch_size=1, device=device)
    before = _host_bytes("VmRSS")
    build_candidate(cfg, variant, batch_size, device)
    if device.type == "cuda":
        send.send(torch.cuda.max_memory_allocated(device))
    else:
        peak = _host_bytes("VmHWM")
        send.send(None if peak is None or before is None else peak - before)


def _host_bytes(field: str) -> int | None:
    """A field of Linux's record of this process: VmRSS is memory held now, VmHWM its peak."""
    record = Path("/proc/self/status")
    if not record.exists():
        return None
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", record.read_text())[1])  # type: ignore[index]


def format_report(report: Report) -> str:
    """The table of variants: times, their ratios to the bound and Hugging Face's, memory, peaks."""
    ratios = ("x bound", "x hf", "clips/s")
    rows = [("", "forward ms", *ratios, "step ms", *ratios, "MiB", "x hf")]
    found = summary(report)
    for name, row in found.items():
        cells = [name]
        for kind in ("forward", "train"):
            seconds = row[f"{kind}_seconds"]
            cells += [f"{1e3 * seconds:.0f}", f"{row[f'{kind}_over_bound']:.2f}"]
            cells += [_number(row.get(f"{kind}_over_hf")), f"{report.batch_size / seconds:.2f}"]
        memory = row["memory"] and row["memory"] / 2**20
        rows.append((*cells, _number(memory, 0), _number(row.get("memory_over_hf"))))
    peaks = ", ".join(f"{row['peak_flops'] / 1e12:.2f} ({name})" for name, row in found.items())
    return f"{format_table(rows)}\n\nmatrix peak, TFLOP/s: {peaks}"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
