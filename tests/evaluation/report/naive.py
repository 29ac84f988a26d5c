"""The numbers of a report by loops, scikit-learn, statsmodels and torchmetrics, from the CSV alone."""

import csv
import math
import re
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import norm, t
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.functional.classification import multilabel_average_precision

EPS = np.finfo(np.float64).eps
Z = norm.ppf(0.975)


class Table:
    """The rows of a file that have scores."""

    def __init__(self, file):
        with file.open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        self.unreadable = sum(bool(row["error"]) for row in rows)
        rows = [row for row in rows if not row["error"]]
        self.rows, self.paths = rows, [row["path"] for row in rows]
        self.K = sum(name.startswith("score_") for name in rows[0])
        self.scores = np.array([[float(row[f"score_{k}"]) for k in range(self.K)] for row in rows])
        self.predicted = [int(row["prediction"]) for row in rows]
        self.names = {}
        for row in rows:
            if "label_name" in row:
                self.names[int(row["label"])] = row["label_name"]
                self.names[int(row["prediction"])] = row["prediction_name"]
        films = [re.fullmatch(r"v_(.+_g\d+)_c\d+\.avi", path) for path in self.paths]
        known = [film[1] for film in films if film]
        is_grouped = len({*known}) < len(known) == len(rows)
        self.groups = known if is_grouped else None

    @property
    def labels(self):
        return [int(row["label"]) for row in self.rows]

    def name(self, k):
        return self.names.get(k, f"class {k}")


def probabilities(table, kind, views):
    if kind == "logits":
        return np.exp(log_softmax(table.scores / views, axis=1))
    return table.scores / views


def ends(value, n, critical=Z):
    """Wilson's limits as the roots of (value - p)^2 = critical^2 p (1 - p) / n."""
    share = critical**2 / n
    roots = np.roots([1 + share, -(2 * value + share), value**2])
    return [float(max(min(roots.real), 0)), float(min(max(roots.real), 1))]


def units_of(groups, rows):
    """Lists of rows, one a group; one a video without groups."""
    if groups is None:
        return [[i] for i in rows]
    names = dict.fromkeys(groups[i] for i in rows)
    return [[i for i in rows if groups[i] == name] for name in names]


def critical_of(groups, units):
    if groups is None:
        return Z
    sizes = np.array([len(unit) for unit in units]) / sum(map(len, units))
    return t.ppf(0.975, max(1 / (sizes**2).sum() - 1, 1))


def by_influence(value, influence, groups, rows, freedom=math.inf):
    """The interval of a value that is moved by ``influence[i]`` of the video i."""
    units = units_of(groups, rows)
    G, N = len(units), sum(map(len, units))
    if G < 2:
        return [0.0, 1.0]
    variance = 0.0
    for unit in units:
        total = sum(influence[i] for i in unit)
        variance += (total if groups is None else total / (1 - len(unit) / N)) ** 2
    variance *= G / (G - 1) if groups is None else (G - 1) / G
    spread = value * (1 - value)
    n = spread / variance if variance > 1e-15 and spread > 0 else G
    return ends(value, n, max(critical_of(groups, units), t.ppf(0.975, freedom)))


def of_share(right, groups, rows):
    """The interval of a share: statsmodels, or by leaving out each group."""
    rows = list(rows)
    if groups is not None and len({groups[i] for i in rows}) == len(rows):
        groups = None  # each video of a class is of another film
    if groups is None:
        return list(
            map(float, proportion_confint(sum(right[i] for i in rows), len(rows), method="wilson"))
        )
    units = units_of(groups, rows)
    value, G = np.mean([right[i] for i in rows]), len(units)
    if G < 2:
        return [0.0, 1.0]
    left = [np.mean([right[i] for i in rows if i not in unit]) for unit in units]
    variance = (G - 1) / G * sum((each - value) ** 2 for each in left)
    n = value * (1 - value) / variance if variance > 1e-15 and 0 < value < 1 else G
    return ends(value, n, critical_of(groups, units))


def percent(interval):
    return [100 * each for each in interval]


def is_in_top(scores, label, predicted, k):
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], j))
    return label == predicted or label in order[:k]


def mean_class(table, right):
    labels = table.labels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predictions that are no label
        value = metrics.balanced_accuracy_score(labels, table.predicted)
    rows_of = {k: [i for i, label in enumerate(labels) if label == k] for k in sorted({*labels})}
    count_of = {
        k: len(rows) if table.groups is None else len({table.groups[i] for i in rows})
        for k, rows in rows_of.items()
    }
    alone = [right[i] for k, rows in rows_of.items() if count_of[k] == 1 for i in rows]
    influence = {}
    for k, rows in rows_of.items():
        n = count_of[k]
        centre = np.mean(alone) if n == 1 else np.mean([right[i] for i in rows])
        for i in rows:
            unbiased = math.sqrt(n / (n - 1)) if n > 1 else 1
            influence[i] = (right[i] - centre) * unbiased / (len(rows) * len(rows_of))
    counts = count_of.values()
    freedom = sum(1 / n for n in counts) ** 2 / sum(n**-2 / max(n - 1, 1) for n in counts)
    return value, by_influence(value, influence, table.groups, range(len(labels)), freedom)


def macro_f1(table):
    labels, predicted = np.array(table.labels), np.array(table.predicted)
    met = sorted({*labels, *predicted})

    def value_of(weights):
        total = 0.0
        for k in met:
            hits = weights[(labels == k) & (predicted == k)].sum()
            size = weights[labels == k].sum() + weights[predicted == k].sum()
            total += 2 * hits / size
        return total / len(met)

    ones, step, influence = np.ones(len(labels)), 1e-4, []
    theirs = metrics.f1_score(labels, predicted, labels=met, average="macro", zero_division=0)
    assert math.isclose(value_of(ones), theirs)
    for i in range(len(labels)):
        more, less = ones.copy(), ones.copy()
        more[i] += step
        less[i] -= step
        influence.append((value_of(more) - value_of(less)) / (2 * step))
    return value_of(ones), by_influence(value_of(ones), influence, table.groups, range(len(labels)))


def accuracies(table, unreadable):
    labels, N = table.labels, len(table.labels)
    found = {}
    for k in (1, 5):
        if k == 1:
            right = [a == b for a, b in zip(labels, table.predicted, strict=True)]
        else:
            right = [
                is_in_top(*each, 5)
                for each in zip(table.scores, labels, table.predicted, strict=True)
            ]
        total = N + unreadable
        found[f"top{k}"] = {
            "value": 100 * sum(right) / N,
            "interval": percent(of_share(right, table.groups, range(N))),
            "if_unreadable_wrong": 100 * sum(right) / total,
            "if_unreadable_right": 100 * (sum(right) + unreadable) / total,
        }
    right = [a == b for a, b in zip(labels, table.predicted, strict=True)]
    for name, (value, interval) in (
        ("mean_class", mean_class(table, right)),
        ("macro_f1", macro_f1(table)),
    ):
        found[name] = {"value": 100 * value, "interval": percent(interval)}
    found["chance"] = {"value": 100 / table.K}
    found["majority"] = {"value": 100 * max(map(labels.count, labels)) / N}
    return found


def per_class(table):
    labels, predicted = table.labels, table.predicted
    right = [a == b for a, b in zip(labels, predicted, strict=True)]
    figures = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(table.K), zero_division=0
    )
    found = []
    for k in range(table.K):
        rows = [i for i, label in enumerate(labels) if label == k]
        wrong = [predicted[i] for i in rows if not right[i]]
        most = min(wrong, key=lambda j: (-wrong.count(j), j)) if wrong else None
        found.append(
            {
                "label": k,
                "name": table.name(k),
                "support": int(figures[3][k]),
                "right": sum(right[i] for i in rows),
                "accuracy": 100 * float(figures[1][k]) if rows else None,
                "interval": percent(of_share(right, table.groups, rows)) if rows else None,
                "precision": 100 * float(figures[0][k]) if k in predicted else None,
                "f1": 100 * float(figures[2][k]) if rows or k in predicted else None,
                "most_confused": most if most is None else {
                    "label": most, "name": table.name(most), "videos": wrong.count(most)},
                "train_videos": None,
                "change": None,
            }
        )  # fmt: skip
    return found


def confused_pairs(table, confidence):
    errors = [
        (a, b, i)
        for i, (a, b) in enumerate(zip(table.labels, table.predicted, strict=True))
        if a != b
    ]
    pairs = {}
    for a, b, i in errors:
        pairs.setdefault((a, b), []).append(i)
    ordered = sorted(pairs, key=lambda pair: (-len(pairs[pair]), pair))[:20]
    return [
        {
            "true": a, "true_name": table.name(a), "predicted": b, "predicted_name": table.name(b),
            "videos": len(pairs[a, b]), "share": 100 * len(pairs[a, b]) / table.labels.count(a),
            "example": table.paths[max(pairs[a, b], key=lambda i: (confidence[i], -i))],
        }
        for a, b in ordered
    ]  # fmt: skip


def calibration(table, found, confidence):
    right = [a == b for a, b in zip(table.labels, table.predicted, strict=True)]
    N = len(right)
    shared = [
        np.mean([r for r, c in zip(right, confidence, strict=True) if c == own])
        for own in confidence
    ]
    order = sorted(range(N), key=lambda i: (confidence[i], i))
    sizes = [N // 15 + (b < N % 15) for b in range(15)]
    bins, start, gap = [], 0, 0.0
    for size in filter(None, sizes):
        part = order[start : start + size]
        start += size
        accuracy = np.mean([shared[i] for i in part])
        mean = np.mean([confidence[i] for i in part])
        influence = {i: (right[i] - accuracy) / size for i in part}
        gap += size * abs(accuracy - mean)
        bins.append({"videos": size, "low": confidence[part[0]], "high": confidence[part[-1]],
                     "confidence": mean, "accuracy": accuracy,
                     "interval": by_influence(accuracy, influence, table.groups, part)})  # fmt: skip
    one_hot = np.eye(table.K)[table.labels]
    own = [math.log(max(row[k], EPS)) for row, k in zip(found, table.labels, strict=True)]
    return {
        "ece": gap / N,
        "bins": bins,
        "log_likelihood": float(np.mean(own)),
        "brier": float(
            np.mean([((p - y) ** 2).sum() for p, y in zip(found, one_hot, strict=True)])
        ),
        "confidence": float(np.mean(confidence)),
        "temperature": None,
    }


def coverage(table, confidence):
    """All thresholds, as there are fewer than 200."""
    right = [a == b for a, b in zip(table.labels, table.predicted, strict=True)]
    found = []
    for threshold in sorted({*confidence}, reverse=True):
        kept = [r for r, c in zip(right, confidence, strict=True) if c >= threshold]
        found.append({"coverage": len(kept) / len(right), "threshold": threshold,
                      "accuracy": 100 * np.mean(kept)})  # fmt: skip
    return found


def item(table, i, confidence, margin):
    label, predicted = table.labels[i], table.predicted[i]
    return {"path": table.paths[i], "label": label, "label_name": table.name(label),
            "prediction": predicted, "prediction_name": table.name(predicted),
            "confidence": confidence, "margin": margin, "start": None, "end": None}  # fmt: skip


def gallery(table, found, confidence):
    labels, predicted, N = table.labels, table.predicted, len(table.labels)
    margin = [confidence[i] - sorted(found[i])[-2] for i in range(N)]

    def items(rows):
        return [item(table, i, confidence[i], margin[i]) for i in rows[:40]]

    wrong = [i for i in range(N) if labels[i] != predicted[i]]
    threshold = {k: np.mean([found[i][k] for i in range(N) if labels[i] == k]) for k in {*labels}}
    suspects = []
    for i in range(N):
        sure = [k for k in sorted(threshold) if found[i][k] >= max(threshold[k], 1e-300)]
        if sure:
            best = max(sure, key=lambda k: (found[i][k], -k))
            if best != labels[i]:
                suspects.append((found[i][labels[i]] - found[i][best], i, best))
    mislabelled = []
    for _, i, best in sorted(suspects)[:40]:
        more = {"suggested": best, "suggested_name": table.name(best)}
        mislabelled.append(item(table, i, confidence[i], margin[i]) | more)
    return {
        "confident_errors": items(sorted(wrong, key=lambda i: (-confidence[i], i))),
        "least_certain": items(sorted(range(N), key=lambda i: (margin[i], i))),
        "mislabelled": mislabelled,
    }


def with_temperature(table, kind, views, val):
    """Calibration at the T that is likeliest on another file, by search over a grid in three passes."""

    def logits_of(each):
        if kind == "logits":
            return each.scores / views
        raised = np.maximum(each.scores / views, EPS)
        return np.log(raised / raised.sum(axis=1, keepdims=True))

    other = Table(val)

    def likelihood(T):
        rows = log_softmax(logits_of(other) / T, axis=1)
        return np.mean([row[k] for row, k in zip(rows, other.labels, strict=True)])

    best, width = 0.0, 7.0
    for _ in range(9):
        grid = np.linspace(best - width, best + width, 41)
        best, width = max(grid, key=lambda power: likelihood(2**power)), width / 10
    value = float(2**best)
    found = np.exp(log_softmax(logits_of(table) / value, axis=1))
    confidence = [float(row[k]) for row, k in zip(found, table.predicted, strict=True)]
    figures = calibration(table, found, confidence)
    del figures["temperature"]
    return {"value": value, "fitted_on": val.name, "videos": len(other.rows)} | figures


def training_frequency(rows, train_videos):
    """Spearman's correlation by pandas."""
    known = [(row["accuracy"], n) for row, n in zip(rows, train_videos, strict=True)
             if row["accuracy"] is not None]  # fmt: skip
    frame = pd.DataFrame(known)
    return float(frame[0].corr(frame[1], method="spearman"))


def report(file, kind, *, views=1):
    """What report.json says of one label a video."""
    table = Table(file)
    found = probabilities(table, kind, views)
    confidence = [float(row[k]) for row, k in zip(found, table.predicted, strict=True)]
    return {
        "classes": {"count": table.K, "with_videos": len({*table.labels})},
        "videos": counts(table),
        "accuracy": accuracies(table, table.unreadable),
        "per_class": per_class(table),
        "confusion": metrics.confusion_matrix(
            table.labels, table.predicted, labels=range(table.K)
        ).tolist(),
        "confused_pairs": confused_pairs(table, confidence),
        "calibration": calibration(table, found, confidence),
        "coverage": coverage(table, confidence),
        "gallery": gallery(table, found, confidence),
    }


def counts(table):
    scored = len(table.rows)
    return {"total": scored + table.unreadable, "scored": scored, "unreadable": table.unreadable,
            "left_out": 0}  # fmt: skip


def precision(hot, scores):
    return metrics.average_precision_score(hot, scores) if hot.any() else math.nan


def by_jackknife(value, left):
    B = len(left)
    if B < 2 or not np.isfinite(left).all():
        return None
    variance = (B - 1) / B * sum((each - np.mean(left)) ** 2 for each in left)
    spread = value * (1 - value)
    n = spread / variance if variance > 1e-15 and spread > 0 else B
    return percent(ends(value, n, t.ppf(0.975, B - 1)))


def hot_labels(table):
    found = np.zeros((len(table.rows), table.K), dtype=bool)
    for row, labels in zip(found, table.rows, strict=True):
        row[[int(k) for k in labels["label"].split(";") if k]] = True
    return found


def precisions(table):
    """(K,) and, without each video or group, (units, K)."""
    hot, rows = hot_labels(table), range(len(table.rows))
    own = [precision(hot[:, k], table.scores[:, k]) for k in range(table.K)]
    left = []
    for unit in units_of(table.groups, rows):
        kept = [i for i in rows if i not in unit]
        left.append([precision(hot[kept, k], table.scores[kept, k]) for k in range(table.K)])
    return np.array(own), np.array(left)


def ece_of_class(chances, hot):
    """The gap between probabilities and how often a class is there, over 15 bins of one size."""
    there = [hot[chances == own].mean() for own in chances]
    order = np.argsort(chances, kind="stable")
    sizes = [len(order) // 15 + (b < len(order) % 15) for b in range(15)]
    parts = np.split(order, np.cumsum(sizes)[:-1])
    gaps = (abs(sum(there[i] for i in part) - chances[part].sum()) for part in parts)
    return float(sum(gaps) / len(order))


def report_of_several(file):
    """What report.json says of several labels a video; at most 50 videos or groups."""
    table = Table(file)
    hot, (own, left) = hot_labels(table), precisions(table)
    value = float(np.mean([each for each in own if not np.isnan(each)] or np.nan))
    met = ~np.isnan(own)
    scores, labels = torch.from_numpy(table.scores[:, met]), torch.from_numpy(hot[:, met]).int()
    if met.sum() > 1:
        theirs = multilabel_average_precision(scores, labels, int(met.sum()), average=None)
        assert np.allclose(theirs.numpy(), own[met], atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one video
        interval = by_jackknife(value, np.nanmean(left, axis=1))
    shares = [column.mean() for column in hot.T if column.any()]
    is_chance = table.scores.min() >= 0 and table.scores.max() <= 1
    chances = table.scores if is_chance else 1 / (1 + np.exp(-table.scores))
    rows = [
        {
            "label": k, "name": f"class {k}", "support": int(hot[:, k].sum()),
            "average_precision": None if np.isnan(own[k]) else 100 * own[k],
            "interval": None if np.isnan(own[k]) else by_jackknife(own[k], left[:, k]),
            "ece": ece_of_class(chances[:, k], hot[:, k]), "train_videos": None, "change": None,
        }
        for k in range(table.K)
    ]  # fmt: skip
    return {
        "classes": {"count": table.K, "with_videos": int(hot.any(axis=0).sum())},
        "videos": counts(table),
        "accuracy": {
            "map": {"value": None if np.isnan(value) else 100 * value, "interval": interval},
            "chance": {"value": 100 * float(np.mean(shares)) if shares else None},
        },
        "per_class": rows,
        "confusion": None,
        "confused_pairs": [],
        "calibration": None,
        "coverage": [],
        "gallery": {"confident_errors": [], "least_certain": [], "mislabelled": []},
    }


def tango(only_a, only_b, n):
    """The limits of a difference d of score statistic 1.96; the likelihood is maximized by search."""

    def statistic(d):
        def badness(q):  # q: the share of videos that B alone gets right
            shares = (q + d, q, 1 - 2 * q - d)
            seen = (only_a, only_b, n - only_a - only_b)
            if min(shares) < 0:
                return math.inf
            return -sum(
                s * math.log(max(p, 1e-300)) for p, s in zip(shares, seen, strict=True) if s
            )

        low, high = max(0, -d), (1 - d) / 2
        q = minimize_scalar(
            badness, bounds=(low, high), method="bounded", options={"xatol": 1e-13}
        ).x
        q = min((low, q, high), key=badness)
        variance = n * (2 * q + d * (1 - d))
        return (only_a - only_b - n * d) / math.sqrt(max(variance, 1e-300))

    value, edge = (only_a - only_b) / n, 1 - 1e-9
    low = brentq(lambda d: statistic(d) - Z, -edge, min(value, edge)) if value > -edge else -1.0
    high = brentq(lambda d: statistic(d) + Z, max(value, -edge), edge) if value < edge else 1.0
    return [low, high]


def difference(a, b, table):
    """Value, interval and p of the accuracy of A minus that of B, 0 .. 1."""
    N, groups = len(a), table.groups
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    value = (only_a - only_b) / N
    if groups is None:
        z = (only_a - only_b) / math.sqrt(only_a + only_b) if only_a + only_b else 0.0
        return value, tango(only_a, only_b, N), 2 * norm.sf(abs(z))
    units = units_of(groups, range(N))
    G = len(units)
    gaps = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
    left = [np.mean([gaps[i] for i in range(N) if i not in unit]) for unit in units]
    deviation = math.sqrt((G - 1) / G * sum((each - value) ** 2 for each in left))
    sizes = np.array([len(unit) for unit in units]) / N
    freedom = max(1 / (sizes**2).sum() - 1, 1)
    half = critical_of(groups, units) * deviation
    p = 2 * t.sf(abs(value) / deviation, freedom)
    return value, [max(value - half, -1), min(value + half, 1)], p


def comparison(files, names):
    """What compare.json says of runs on one list, of one label a video."""
    tables = [Table(file) for file in files]
    first, labels = tables[0], tables[0].labels
    rights = [[a == b for a, b in zip(labels, each.predicted, strict=True)] for each in tables]
    sure = [
        [float(row[k]) for row, k in zip(each.scores, each.predicted, strict=True)]
        for each in tables
    ]
    pairs, flips = [], []
    for i, j in combinations(range(len(tables)), 2):
        a, b = rights[i], rights[j]
        only_a = [n for n in range(len(labels)) if a[n] and not b[n]]
        only_b = [n for n in range(len(labels)) if b[n] and not a[n]]
        value, interval, p = difference(a, b, first)
        counted = [[sum(x and y for x, y in zip(a, b, strict=True)), len(only_a)],
                   [len(only_b), sum(not x and not y for x, y in zip(a, b, strict=True))]]  # fmt: skip
        exact = float(mcnemar(counted, exact=True).pvalue) if only_a or only_b else 1.0
        pairs.append({
            "a": names[i], "b": names[j], "difference": 100 * value, "interval": percent(interval),
            "p": p, "mcnemar_p": exact, "both": counted[0][0], "only_a": len(only_a),
            "only_b": len(only_b), "neither": counted[1][1],
        })  # fmt: skip
        flips.append({"a": names[i], "b": names[j],
                      "only_a": flipped(tables, sure, i, j, only_a, j),
                      "only_b": flipped(tables, sure, i, j, only_b, i)})  # fmt: skip
    for key in ("p", "mcnemar_p"):
        adjusted = multipletests([pair[key] for pair in pairs], method="holm")[1]
        for pair, each in zip(pairs, adjusted, strict=True):
            pair[f"{key}_holm"] = float(each)
    rows = []
    for k in range(first.K):
        own = [n for n, label in enumerate(labels) if label == k]
        shares = [100 * np.mean([right[n] for n in own]) if own else None for right in rights]
        rows.append({"label": k, "name": first.name(k), "support": len(own), "accuracies": shares})
    return {
        "metric": "top1",
        "videos": len(labels),
        "only_in": {name: each.unreadable for name, each in zip(names, tables, strict=True)},
        "runs": [
            {"name": name, "accuracy": accuracies(each, 0)}  # of the videos that all could read
            for name, each in zip(names, tables, strict=True)
        ],
        "pairs": pairs,
        "per_class": rows,
        "flips": flips,
    }


def flipped(tables, sure, i, j, videos, wrong):
    """Videos that one of the runs i and j gets right alone, ordered by the confidence of ``wrong``."""
    ordered = sorted(videos, key=lambda n: (-sure[wrong][n], n))[:40]
    return [
        item(tables[i], n, sure[i][n], sure[i][n] - sure[j][n])
        | {"a_prediction": tables[i].predicted[n], "a_confidence": sure[i][n],
           "b_prediction": tables[j].predicted[n], "b_confidence": sure[j][n]}
        for n in ordered
    ]  # fmt: skip
