"""Tables of figures on a terminal."""

from timesformer.detection.lines import evaluation_lines


def test_many_thresholds_leave_the_averages():
    names = [f"{0.05 * k:.2f}" for k in range(1, 11)]
    row = {
        "label": "ju\x1bmp",
        "annotations": 1234,
        "detections": 5,
        "AP": dict.fromkeys(names, 0.5),
        "average_AP": 0.5,
    }
    report = {
        "subset": None,
        "videos": 1,
        "annotations": 1234,
        "detections": 5,
        "mAP": dict.fromkeys(names, 0.5),
        "average_mAP": 0.5,
        "average_recall": {"1": 0.25},
        "per_frame_mAP": 1.0,
        "edit": 0.0,
        "f1": {"10": 0.125},
        "per_class": [row],
    }
    text = "\n".join(evaluation_lines(report))
    assert "class     annotations  detections  average AP %" in text
    assert "ju\\x1bmp        1,234           5         50.00" in text
    assert "F1@10           12.50" in text
