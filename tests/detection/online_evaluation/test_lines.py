"""The text has the numbers of the report."""

from tests.detection.online_evaluation.made import made_stream_report
from timesformer.detection.online_evaluation.lines import stream_lines


def test_both_views_stages_and_classes_are_printed():
    report = made_stream_report()
    text = "\n".join(stream_lines(report))
    assert "3 videos of validation, " in text
    assert f"{report['actions']} actions of 3 classes, 0.05 hours, 351 windows (0 skipped)" in text
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    views = [report["stream_time"], report["as_seen"]]
    for name, key in (
        ("per-frame mAP", "per_frame_mAP"),
        ("mcAP", "mcAP"),
        ("coverage", "coverage"),
    ):
        assert all(f"{100 * view[key]:.2f}" in rows[name] for view in views)
    for view in views:
        assert f"{view['detection']['mean_seconds']:.2f}" in rows["mean time to detection"]
        assert f"{view['announced']['mean_seconds']:.2f}" in rows["mean time to announcement"]
    assert f"{100 * report['stream_time']['stages'][3]['mAP']:.2f}" in rows["30 to 40 %"]
    assert "a class with a very long name of many words" in text


def test_without_latencies_there_is_one_column_and_nothing_is_a_dash():
    report = made_stream_report(speed=None, fps=0.1)
    text = "\n".join(stream_lines(report))
    assert "as seen" not in text
    assert "  -  " in text
