"""The thresholds of temporal intersection over union: ``0.3:0.7:0.1`` as numbers."""

import math

from timesformer.errors import InputError
from timesformer.io.terminal import printable

MOST = 100


class ThresholdError(InputError, ValueError):
    """Thresholds that cannot be; the message says how they are written."""


def parse_tious(text: str) -> tuple[float, ...]:
    """Rising numbers of ``first:last:step`` (the last one included), or of numbers with commas.

    Raises:
        ThresholdError: another text, a number that is not above 0 and at most 1, more than MOST.
    """
    try:
        parts = [float(part) for part in text.replace(",", ":").split(":")]
    except ValueError:
        parts = []
    if not parts or not all(map(math.isfinite, parts)) or (":" in text and len(parts) != 3):
        raise ThresholdError(
            f"the thresholds are {printable(text)!r}; write first:last:step, as 0.3:0.7:0.1, or numbers "
            "with commas"
        )
    if ":" in text:
        first, last, step = parts
        if step <= 0 or last < first or (last - first) / step > MOST:
            raise ThresholdError(
                f"the thresholds {printable(text)} are none, or more than {MOST}; first:last:step rises "
                "from first to last"
            )
        parts = [first + k * step for k in range(int((last - first) / step + 1e-6) + 1)]
    tious = tuple(sorted({round(part, 10) for part in parts}))
    if not 0 < tious[0] <= tious[-1] <= 1:
        raise ThresholdError(f"the thresholds {printable(text)} must be above 0 and at most 1")
    return tious
