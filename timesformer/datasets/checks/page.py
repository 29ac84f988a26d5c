"""The result of a check as one HTML page that needs nothing else: no script, no other file."""

import base64
from collections import Counter
from collections.abc import Sequence
from html import escape

from timesformer.datasets.checks.findings import KINDS, NOTES, Findings
from timesformer.datasets.checks.listing import Problem
from timesformer.io.terminal import printable

MEANINGS = KINDS | NOTES
MOST_PROBLEMS = 1000  # rows of the page; report.csv has all
MOST_CLASSES = 1000  # bars of the page
BAR_WIDTH = 12  # rem, of the most frequent class

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #1c1c1c; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
th { white-space: nowrap } td.n, th.n { text-align: right; white-space: nowrap; width: 1% }
.bar { display: inline-block; height: .8em; background: #2f6f9f; min-width: 1px }
.note { color: #666 } img { height: 72px; display: block }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 }
  th, td { border-color: #444 } .bar { background: #6fb1e0 } .note { color: #999 } }
"""


def render_page(
    findings: Findings,
    summary: list[tuple[str, str]],
    strips: dict[int, tuple[str, bytes]],
    names: Sequence[str] = (),
) -> str:
    """The page.

    Args:
        findings: problems and class histogram.
        summary: names and values, shown on top.
        strips: label -> video and a JPEG file of some of its frames.
        names: of the classes, if they are known.
    """
    parts = [
        "<h1>Check of a data set</h1>",
        _table(("", ""), [(name, value) for name, value in summary]),
        "<h2>Problems</h2>",
        _counts(findings.problems),
        _problems(findings.problems),
        *_notes(findings.notes),
        "<h2>Videos of each class</h2>",
        _histogram(findings.histogram, names),
        "<h2>One video of each class</h2>",
        _strips(strips, len(findings.histogram), names),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Check of a data set</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def count_kinds(problems: Sequence[Problem]) -> list[tuple[str, int]]:
    """How many problems of each kind there are, the gravest kind first."""
    counts = Counter(problem.kind for problem in problems)
    return [(kind, counts[kind]) for kind in MEANINGS if counts[kind]]


def _counts(problems: Sequence[Problem]) -> str:
    if not problems:
        return "<p>None.</p>"
    rows = [(kind, str(count), MEANINGS[kind]) for kind, count in count_kinds(problems)]
    return _table(("kind", "count", "meaning"), rows, numbers=(1,))


def _notes(notes: Sequence[Problem]) -> list[str]:
    if not notes:
        return []
    head = "<h2>Unusual, but usable</h2>"
    return [head, _counts(notes), _problems(notes, "<h2>Each unusual video</h2>")]


def _problems(problems: Sequence[Problem], head: str = "<h2>Each problem</h2>") -> str:
    if not problems:
        return ""
    rows = [
        (p.kind, f"{p.list_file}:{p.line}" if p.line else p.list_file, p.video, p.label, p.detail)
        for p in problems[:MOST_PROBLEMS]
    ]
    left = len(problems) - len(rows)
    note = f'<p class="note">{left} more in report.csv.</p>' if left else ""
    return head + _table(("kind", "line", "video", "label", "detail"), rows) + note


def _histogram(histogram: dict[int, dict[str, int]], names: Sequence[str]) -> str:
    splits = list(dict.fromkeys(split for counts in histogram.values() for split in counts))
    most = max(count for counts in histogram.values() for count in counts.values())
    head = "".join(f'<th class="n">{escape(split)}</th><th></th>' for split in splits)
    lines = []
    for label, counts in list(histogram.items())[:MOST_CLASSES]:
        cells = "".join(
            f'<td class="n">{counts.get(split, 0)}</td><td>{_bar(counts.get(split, 0) / most)}</td>'
            for split in splits
        )
        lines.append(f'<tr><td class="n">{_called(label, names)}</td>{cells}</tr>')
    left = len(histogram) - len(lines)
    note = f'<p class="note">{left} more classes.</p>' if left else ""
    return f'<table><tr><th class="n">label</th>{head}</tr>{"".join(lines)}</table>{note}'


def _bar(share: float) -> str:
    if not share:
        return ""
    return f'<span class="bar" style="width:{BAR_WIDTH * share:.2f}rem"></span>'


def _called(label: int, names: Sequence[str]) -> str:
    name = f" {_text(printable(names[label]))}" if 0 <= label < len(names) else ""
    return f"{label}{name}"


def _strips(strips: dict[int, tuple[str, bytes]], num_classes: int, names: Sequence[str]) -> str:
    lines = []
    for label, (video, jpeg) in strips.items():
        data = base64.b64encode(jpeg).decode("ascii")
        image = f'<img alt="four frames" src="data:image/jpeg;base64,{data}">'
        shown = f'{image}<span class="note">{_text(video)}</span>'
        lines.append(f'<tr><td class="n">{_called(label, names)}</td><td>{shown}</td></tr>')
    left = num_classes - len(lines)
    note = f'<p class="note">{left} class(es) are not shown.</p>' if left > 0 else ""
    return f"<table>{''.join(lines)}</table>{note}"


def _table(
    head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numbers: tuple[int, ...] = ()
) -> str:
    def line(tag: str, cells: tuple[str, ...]) -> str:
        kinds = [' class="n"' if i in numbers else "" for i in range(len(cells))]
        return "".join(f"<{tag}{k}>{_text(c)}</{tag}>" for k, c in zip(kinds, cells, strict=True))

    top = f"<tr>{line('th', head)}</tr>" if any(head) else ""
    lines = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table>{top}{lines}</table>"


def _text(text: str) -> str:
    """``text`` as HTML; bytes of file names that are no UTF-8 are replaced."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))
