"""A made-up report and comparison of any size, computed from simulated scores: the same every time."""

import io
import json

import numpy as np
from matplotlib.image import imsave

from timesformer.datasets.class_names import class_names as shipped_names

METHOD = "Wilson's interval, 95 %"
ACTIONS = ("clapping hands", "high jump", "juggling balls", "long jump", "playing piano",
           "pouring water", "riding a bike", "waving <both> hands")  # fmt: skip


def class_names(num_classes):
    return list((ACTIONS if num_classes <= 8 else shipped_names("kinetics400"))[:num_classes])


def made_report(num_classes=8, num_videos=400, *, seed=0, **changes):
    """As report.json, whole; ``changes`` replace its parts."""
    rng = np.random.default_rng(seed)
    names = class_names(num_classes)
    labels, probabilities = simulate(num_classes, num_videos, rng)
    predicted = probabilities.argmax(1)
    right = predicted == labels
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (labels, predicted), 1)
    confidence = probabilities.max(1)
    paths = [f"videos/{names[k].replace(' ', '_')}/{i:06d}.mp4" for i, k in enumerate(labels)]
    train = rng.integers(20, 900, num_classes)

    def item(i):
        best, second = np.sort(probabilities[i])[::-1][:2]
        k, p = int(labels[i]), int(predicted[i])
        ends = {"start": 1.0, "end": 4.25} if i % 2 else {"start": None, "end": None}
        return {"path": paths[i], "label": k, "label_name": names[k], "prediction": p,
                "prediction_name": names[p], "confidence": float(best),
                "margin": float(best - second), **ends}  # fmt: skip

    wrong = np.flatnonzero(~right)
    most_sure = sorted(wrong, key=lambda i: -confidence[i])
    least_sure = sorted(range(num_videos), key=lambda i: confidence[i])
    pairs = []
    for flat in np.argsort(-(counts * (1 - np.eye(num_classes, dtype=int))).ravel(), kind="stable")[
        :20
    ]:
        k, p = divmod(int(flat), num_classes)
        if k == p or not counts[k, p]:
            continue
        example = next(paths[i] for i in most_sure if labels[i] == k and predicted[i] == p)
        pairs.append({"true": k, "true_name": names[k], "predicted": p, "predicted_name": names[p],
                      "videos": int(counts[k, p]), "share": 100 * counts[k, p] / counts[k].sum(),
                      "example": example})  # fmt: skip
    unreadable = num_videos // 100
    top1, total = int(right.sum()), num_videos + unreadable
    ranks = (probabilities > probabilities[np.arange(num_videos), labels][:, None]).sum(1)
    top5 = int((ranks < 5).sum())
    mean_class = 100 * np.mean(
        [counts[k, k] / counts[k].sum() for k in range(num_classes) if counts[k].sum()]
    )
    order = np.argsort(predicted_groups(num_classes), kind="stable")
    report = {
        "schema_version": 1,
        "kind": "report",
        "task": "single_label",
        "run": {"name": "divST_8x32_224", "predictions": "test_predictions.csv", "sha256": "8f14e45f" * 8,
                "split": "test", "list": "data/kinetics/test.csv",
                "weights": "checkpoints/checkpoint_best.pyth",
                "protocol": "1 x 3 views: 1 clip of 8 frames in the middle, 3 crops of 224",
                "attention_type": "divided_space_time", "limited": None},
        "classes": {"count": num_classes, "with_videos": int((counts.sum(1) > 0).sum()), "names": names},
        "videos": {"total": total, "scored": num_videos, "unreadable": unreadable},
        "scores": {"kind": "probabilities", "views": 3,
                   "why": "every row sums to 1 and no score is negative"},
        "groups": {"by": "file", "count": num_videos // 2},
        "accuracy": {
            "top1": proportion(top1, num_videos) | {
                "if_unreadable_wrong": 100 * top1 / total,
                "if_unreadable_right": 100 * (top1 + unreadable) / total},
            "top5": proportion(top5, num_videos) | {
                "if_unreadable_wrong": 100 * top5 / total,
                "if_unreadable_right": 100 * (top5 + unreadable) / total},
            "mean_class": {"value": mean_class, "interval": [mean_class - 1.4, mean_class + 1.3],
                           "method": "stratified bootstrap, 1,000 draws"},
            "macro_f1": {"value": mean_class - 0.7, "interval": [mean_class - 2.2, mean_class + 0.8],
                         "method": "bootstrap, 1,000 draws"},
            "chance": {"value": 100 / num_classes},
            "majority": {"value": 100 * float(counts.sum(1).max()) / num_videos},
        },
        "per_class": [per_class(k, names, counts, train) for k in range(num_classes)],
        "confusion": counts.tolist(),
        "confusion_order": order.tolist(),
        "confused_pairs": pairs,
        "training_frequency": {"list": "data/kinetics/train.csv", "spearman": 0.31, "p": 0.004},
        "calibration": calibration(confidence, right),
        "coverage": coverage(confidence, right),
        "views": {"metric": "top1", "note": "the first clips of every video, in the order of the test",
                  "points": [{"temporal": t, "crops": 3, "clips": 3 * t,
                              "value": 100 * top1 / num_videos - 4 / t**1.3 + 1,
                              "interval": [100 * top1 / num_videos - 4 / t**1.3 - 1.2,
                                           100 * top1 / num_videos - 4 / t**1.3 + 3.2],
                              "milliseconds": 95.0 * 3 * t} for t in range(1, 11)]},
        "validation": {"value": 100 * top1 / num_videos - 1.9, "epoch": 14, "videos": num_videos // 2,
                       "difference": 1.9,
                       "reasons": ["Validation uses one clip and one crop of each video, the test 3.",
                                   "The lists hold different videos."]},
        "gallery": {
            "confident_errors": [item(i) for i in most_sure[:40]],
            "least_certain": [item(i) for i in least_sure[:40]],
            "mislabelled": [item(i) | {"suggested": int(predicted[i]),
                                       "suggested_name": names[predicted[i]]}
                            for i in most_sure[:24:2]],
        },
    }  # fmt: skip
    return json.loads(json.dumps(report | changes))


def simulate(num_classes, num_videos, rng):
    """Labels (N,) and probabilities (N, K); classes of one group are mistaken for each other."""
    weights = rng.uniform(0.5, 1.5, num_classes)
    labels = rng.choice(num_classes, num_videos, p=weights / weights.sum())
    groups = predicted_groups(num_classes)
    skill = rng.uniform(0.4, 5.0 if num_classes > 50 else 3.4, num_classes)
    logits = rng.normal(size=(num_videos, num_classes)) + 2.2 * (groups[labels][:, None] == groups)
    logits[np.arange(num_videos), labels] += skill[labels]
    logits *= 1.3
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    return labels, probabilities / probabilities.sum(1, keepdims=True)


def predicted_groups(num_classes):
    return np.random.default_rng(5).integers(0, max(num_classes // 4, 2), num_classes)


def wilson(right, count):
    share, z2 = right / count, 1.96**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = 1.96 * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) / (1 + z2 / count)
    return [max(middle - half, 0), min(middle + half, 1)]


def proportion(right, count):
    return {"value": 100 * right / count, "method": METHOD,
            "interval": [100 * end for end in wilson(right, count)]}  # fmt: skip


def per_class(k, names, counts, train):
    support, right = int(counts[k].sum()), int(counts[k, k])
    others = counts[k] * (np.arange(len(names)) != k)
    worst = int(others.argmax())
    precision = 100 * right / counts[:, k].sum() if counts[:, k].sum() else 0.0
    found = proportion(right, support) if support else {"value": None, "interval": None}
    recall = found["value"] or 0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    confused = {"label": worst, "name": names[worst], "videos": int(others[worst])}
    return {"label": k, "name": names[k], "support": support, "right": right,
            "accuracy": found["value"], "interval": found["interval"], "precision": precision,
            "f1": f1, "most_confused": confused if others.any() else None,
            "train_videos": int(train[k]), "change": None}  # fmt: skip


def calibration(confidence, right):
    bins = reliability(confidence, right)
    ece = sum(b["videos"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / len(right)
    flatter = confidence**0.8
    after = reliability(flatter, right)
    return {"ece": ece, "bins": bins, "log_likelihood": -0.81, "brier": 0.29,
            "confidence": float(confidence.mean()),
            "temperature": {"value": 1.23, "fitted_on": "validation of the same run", "videos": 812,
                            "ece": ece / 2, "log_likelihood": -0.76, "brier": 0.28,
                            "bins": after}}  # fmt: skip


def reliability(confidence, right):
    bins = []
    for part in np.array_split(np.argsort(confidence, kind="stable"), 15):
        low, high = wilson(right[part].sum(), len(part))
        bins.append({"videos": len(part), "low": float(confidence[part].min()),
                     "high": float(confidence[part].max()),
                     "confidence": float(confidence[part].mean()),
                     "accuracy": float(right[part].mean()), "interval": [low, high]})  # fmt: skip
    return bins


def coverage(confidence, right):
    order = np.argsort(-confidence, kind="stable")
    ends = np.unique(np.linspace(1, len(order), 200).astype(int))
    return [{"coverage": end / len(order), "threshold": float(confidence[order[end - 1]]),
             "accuracy": 100 * float(right[order[:end]].mean())} for end in ends]  # fmt: skip


def made_comparison(num_classes=8, num_videos=400, num_runs=3):
    """As compare.json, of runs that are a little better each."""
    rng = np.random.default_rng(3)
    names = class_names(num_classes)
    labels = rng.integers(0, num_classes, num_videos)
    rights = [rng.random(num_videos) < 0.62 + 0.05 * run for run in range(num_runs)]
    run_names = ["spaceOnly_8x32", "divST_8x32", "jointST_8x32", "divST_96x4"][:num_runs]
    pairs, flips = [], []
    for a in range(num_runs):
        for b in range(a + 1, num_runs):
            only_a, only_b = (int((rights[x] & ~rights[y]).sum()) for x, y in ((a, b), (b, a)))
            difference = 100 * (only_a - only_b) / num_videos
            half = 196 * np.sqrt(only_a + only_b) / num_videos
            p = float(np.exp(-((only_a - only_b) ** 2) / max(only_a + only_b, 1) / 2))
            better = run_names[a if difference > 0 else b]
            sure = abs(difference) > half
            verdict = f"{better} is better" if sure else "The data do not decide between the two"
            pairs.append({"a": run_names[a], "b": run_names[b], "difference": difference,
                          "interval": [difference - half, difference + half], "mcnemar_p": p,
                          "p": p, "p_holm": min(1.0, 3 * p),
                          "mcnemar_p_holm": min(1.0, 3 * p), "both": int((rights[a] & rights[b]).sum()),
                          "only_a": only_a, "only_b": only_b,
                          "neither": int((~rights[a] & ~rights[b]).sum()),
                          "method": "paired differences, groups of 1 video",
                          "verdict": f"{verdict}: {difference:+.1f} points of top-1."})  # fmt: skip
            sides = {"only_a": rights[a] & ~rights[b], "only_b": rights[b] & ~rights[a]}
            flips.append({"a": run_names[a], "b": run_names[b]} | {
                side: [flip(i, labels, names, side == "only_a", rng) for i in np.flatnonzero(mask)[:40]]
                for side, mask in sides.items()})  # fmt: skip
    comparison = {
        "schema_version": 1, "kind": "comparison", "videos": num_videos,
        "only_in": {run_names[0]: 3, run_names[1]: 0}, "groups": {"by": None, "count": None},
        "metric": "top1",
        "runs": [{"name": name, "folder": f"output/{name}",
                  "accuracy": {"top1": proportion(int(right.sum()), num_videos)}}
                 for name, right in zip(run_names, rights, strict=True)],
        "pairs": pairs,
        "per_class": [{"label": k, "name": names[k], "support": int((labels == k).sum()),
                       "accuracies": [100 * float(right[labels == k].mean())
                                      if (labels == k).any() else None for right in rights]}
                      for k in range(num_classes)],
        "flips": flips,
        "seeds": {
            "configurations": [
                {"runs": ["a", "a-2"], "mean": 71.2, "spread": 0.8, "interval": [69.2, 73.2]},
                {"runs": ["b", "b-2"], "mean": 68.0, "spread": 0.4, "interval": [64.4, 71.6]},
            ],
            "tests": [{"a": "a", "b": "b", "difference": 3.2, "interval": [0.4, 6.0], "p": 0.03,
                       "test": "Welch's t of 2 and 2 seeds"}],
        },
    }  # fmt: skip
    return json.loads(json.dumps(comparison))


def flip(i, labels, names, is_a, rng):
    k = int(labels[i])
    other = int((k + 1 + rng.integers(0, len(names) - 1)) % len(names))
    a, b = (k, other) if is_a else (other, k)
    return {"path": f"videos/{names[k].replace(' ', '_')}/{i:06d}.mp4", "label": k,
            "label_name": names[k], "a_prediction": a, "a_prediction_name": names[a],
            "a_confidence": float(rng.uniform(0.4, 1)), "b_prediction": b, "b_prediction_name": names[b],
            "b_confidence": float(rng.uniform(0.3, 0.95)), "start": None, "end": None}  # fmt: skip


def made_frames(paths, num_frames=3):
    """JPEG frames of a moving disc for each path."""
    return {path: [disc(number, t / num_frames) for t in range(num_frames)]
            for number, path in enumerate(paths)}  # fmt: skip


def disc(number, at):
    y, x = np.mgrid[:96, :128]
    shade = np.stack([60 + 0.5 * x, 90 + 0.4 * y, np.full(x.shape, 70.0 + 12 * (number % 9))], -1)
    inside = (x - 20 - 90 * at) ** 2 + (y - 30 - 5 * (number % 7)) ** 2 < 300
    shade[inside] = 230, 205, 140
    file = io.BytesIO()
    imsave(file, shade.astype(np.uint8), format="jpg")
    return file.getvalue()
