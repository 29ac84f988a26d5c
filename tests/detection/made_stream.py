"""Lines of a watched stream, made: actions of some seconds, one after the other, with what goes wrong."""

import numpy as np

RULES = {"onset": 0.5, "offset": 0.35, "min_on": 1.0, "min_off": 1.0, "background": None}
PARTS = {"p50": 0.001, "p95": 0.004, "p99": 0.009, "max": 0.021}


def stream_line(class_names, *, source="rtsp://camera.local/entrance", stride=0.25, span=2.13):
    return {
        "kind": "stream",
        "source": source,
        "weights": "runs/street/checkpoint.pyth",
        "model": "TimeSformer, 8 frames of 224 x 224",
        "class_names": list(class_names),
        "span": span,
        "stride": stride,
        "crops": 1,
        "precision": "fp32",
        "device": "cpu",
        "late": "skip",
        "speed": 1.0,
        "rules": RULES,
        "hold": 0.0,
    }


def window_line(start, probabilities, names, *, timeline=0, span=2.13, latency=0.05):
    best = int(np.argmax(probabilities))
    return {
        "kind": "window",
        "timeline": timeline,
        "start": start,
        "end": start + span,
        "label": names[best],
        "probability": float(probabilities[best]),
        "latency": latency,
        "waiting": 0.001,
        "decode": 0.004,
        "model": latency - 0.005,
        "probabilities": [float(p) for p in probabilities],
    }


def event_line(kind, label, start, end, *, timeline=0, score=0.8):
    known = (start if end is None else end) + 1.0
    return {
        "kind": kind,
        "timeline": timeline,
        "label": label,
        "start": start,
        "end": end,
        "score": score,
        "known_at": known,
        "latency": 0.05,
    }


def summary_line(**changed):
    parts = {name: dict(PARTS) for name in ("waiting", "decode", "model", "total")}
    counts = {"due": 480, "scored": 470, "skipped": 10, "reconnects": 1, "timelines": 2}
    times = {"frames": 3600, "stream_seconds": 120.0, "wall_seconds": 121.0, "fps": 29.8}
    return {"kind": "summary", **counts, **times, "latency": parts, **changed}


def made_lines(names, *, seconds=120.0, stride=0.25, span=2.13, seed=0):
    """All lines of ``seconds`` of stream after the first one, without a summary."""
    rng = np.random.default_rng(seed)
    logits = np.zeros(len(names))
    running, left, target = None, 0.0, 0
    for step in range(int(seconds / stride)):
        start = step * stride
        left -= stride
        if left <= 0:
            left, target = rng.uniform(4, 18), int(rng.integers(min(len(names), 9)))
            strength = rng.choice([2.0, 7.0], p=[0.3, 0.7])
        wanted = np.zeros(len(names))
        wanted[target] = strength + np.log(len(names))
        logits += 0.18 * (wanted - logits) + rng.normal(0, 0.25, len(names))
        p = np.exp(logits - logits.max())
        p /= p.sum()
        if rng.random() < 0.02:
            yield {"kind": "skipped", "timeline": 0, "start": start, "end": start + span}
            continue
        latency = float(rng.gamma(4, 0.012)) + 0.006
        yield window_line(start, p, names, span=span, latency=latency)
        if running is None and p.max() > RULES["onset"]:
            running = (names[int(p.argmax())], start + span / 2)
            yield event_line("start", *running, None, score=float(p.max()))
        elif running and p[list(names).index(running[0])] < RULES["offset"]:
            kind = "withdrawn" if start + span / 2 - running[1] < 2 else "end"
            yield event_line(kind, *running, start + span / 2)
            running = None
