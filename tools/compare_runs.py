"""Test results of runs side by side: python tools/compare_runs.py OUTPUT_DIR OUTPUT_DIR ..."""

import argparse
import json
import sys
from pathlib import Path

RESULTS = "test_results.json"
COLUMNS = ("run", "attention", "top-1 %", "top-5 %", "scored", "unreadable", "seconds")


def main() -> int:
    """Print the table and where the files are; status 2 if a folder holds no result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="OUTPUT_DIR")
    folders = parser.parse_args().runs
    try:
        print(format_table([COLUMNS, *(summary(folder) for folder in folders)]))
    except ValueError as error:
        print(f"compare_runs.py: error: {error}", file=sys.stderr)
        return 2
    print()
    for folder in folders:
        print(f"{folder}: stdout.log, checkpoints/, test_predictions.csv, {RESULTS}")
    return 0


def summary(folder: Path) -> tuple[str, ...]:
    """The row of one run.

    Raises:
        ValueError: the folder holds no readable result.
    """
    path = folder / RESULTS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if "map" in found:  # several labels a video
            scores = (f"map {found['map']:.4f}", "-")
        else:
            scores = (f"{found['top1_acc']:.2f}", f"{found['top5_acc']:.2f}")
        return (
            folder.name,
            found["attention_type"],
            *scores,
            f"{found['scored']}/{found['videos']}" + " LIMITED" * ("limited" in found),
            str(found["unreadable"]),
            f"{found['seconds']:.1f}",
        )
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; test into this OUTPUT_DIR first") from None
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no result of a test: {error!r}; test again") from error


def format_table(rows: list[tuple[str, ...]]) -> str:
    """Columns padded to their widest cell, a rule below the first row."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
