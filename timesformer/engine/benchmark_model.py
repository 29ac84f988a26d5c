"""What a model costs on this machine, beside the least that its matrix products could cost.

The floor of a time is the operations of the model (2 for a multiply-add; a training step counts as
three forward passes) divided by the matrix peak of the same arithmetic, measured just before it.
Variants take turns, and medians count: of times, and of ratios within a turn. Memory is that of a
process that does nothing else: parameters, gradients, optimizer and activations of training steps.
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
    Subject,
    Turn,
    Variant,
    device_of,
    parse_variant,
    parse_variants,
)
from timesformer.models import build_model
from timesformer.models.flops import multiply_adds
from timesformer.tables import format_table


class Report(NamedTuple):
    """The turns of every variant, and what they were taken of."""

    device: str
    batch_size: int
    parameters: int
    flops: int  # of a forward pass of one clip
    turns: dict[str, list[Turn]]
    memory: dict[str, int | None]  # bytes; None where the system does not tell


def measure(
    cfg: CfgNode,
    variants: Sequence[Variant],
    *,
    batch_size: int,
    repeats: int,
    bar: Callable[..., Iterable[Any]] = lambda steps, desc: steps,
) -> Report:
    """Run every variant ``repeats`` times, in turns.

    Raises:
        ConfigError: a scheme that Hugging Face does not have.
    """
    device = device_of(cfg)
    with torch.device("meta"):
        shadow = build_model(cfg)
    flops = 2 * multiply_adds(shadow)
    memory = {
        variant.name: _memory(cfg, variant, batch_size) for variant in bar(variants, desc="memory")
    }
    subjects = {
        variant.name: Subject(cfg, variant, batch_size, device)
        for variant in bar(variants, desc="warming up")
    }
    turns: dict[str, list[Turn]] = {name: [] for name in subjects}
    for _ in bar(range(repeats), desc="turns"):
        for name, subject in subjects.items():
            turns[name].append(subject.turn(flops * batch_size))
    return Report(
        device=torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        batch_size=batch_size,
        parameters=sum(parameter.numel() for parameter in shadow.parameters()),
        flops=flops,
        turns=turns,
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
    variants = parse_variants(names, on_gpu=device_of(cfg).type == "cuda", hf=with_hf)
    return measure(cfg, variants, batch_size=batch_size or share, repeats=repeats, bar=bar)


def build_heading(cfg: CfgNode, report: Report) -> str:
    """What was measured, on one line."""
    repeats = len(next(iter(report.turns.values())))
    return (
        f"{cfg.TIMESFORMER.ATTENTION_TYPE}, {report.parameters / 1e6:.1f} M parameters, "
        f"{report.flops / 1e9:.1f} GFLOP a clip of {cfg.DATA.NUM_FRAMES} x "
        f"{cfg.DATA.TRAIN_CROP_SIZE}²; {report.batch_size} clip(s) a batch on {report.device} "
        f"({torch.get_num_threads()} threads); medians of {repeats} turns"
    )


def summary(report: Report) -> dict[str, dict[str, float | None]]:
    """Medians by variant, over turns: seconds, ratios to the floor and to Hugging Face's model.

    The last are to the same arithmetic, and there only if it was measured.
    """
    rows = {}
    for name, turns in report.turns.items():
        row: dict[str, float | None] = {"memory": report.memory[name]}
        rival = f"hf+{parse_variant(name).precision}"
        for kind in ("forward", "train"):
            seconds = [getattr(turn, kind) for turn in turns]
            floors = [getattr(turn, f"{kind}_floor") for turn in turns]
            row[f"{kind}_seconds"] = statistics.median(seconds)
            row[f"{kind}_over_floor"] = _median_ratio(seconds, floors)
            if rival in report.turns and rival != name:
                theirs = [getattr(turn, kind) for turn in report.turns[rival]]
                row[f"{kind}_over_hf"] = _median_ratio(seconds, theirs)
        floor = statistics.median(turn.forward_floor for turn in turns)
        row["peak_flops"] = report.flops * report.batch_size / floor
        if f"{kind}_over_hf" in row and row["memory"] and report.memory[rival]:
            row["memory_over_hf"] = row["memory"] / report.memory[rival]
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
    device = device_of(cfg)
    shallow = changed(cfg, {"TIMESFORMER.DEPTH": 1})
    Subject(shallow, variant, batch_size=1, device=device)  # importing is not the model's
    before = _host_bytes("VmRSS")
    Subject(cfg, variant, batch_size, device)
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
    """The table of variants: times, their ratios to floor and Hugging Face's, memory, peaks."""
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
    return f"{format_table(rows)}\n\nmatrix peak, TFLOP/s: {peaks}"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
