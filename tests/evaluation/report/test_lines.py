"""Reports and comparisons on the terminal: the numbers of the dictionaries."""

from dataclasses import replace

import numpy as np

from tests.evaluation.report.made import random_scores, write_csv
from tests.visualize.made_report import made_comparison
from timesformer.evaluation.report.lines import comparison_lines, report_lines
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.report import build_report
from timesformer.evaluation.report.temperature import Temperature
from timesformer.visualize.report_page import render_comparison


def test_a_report_shows_every_figure_with_its_interval(tmp_path):
    labels, scores = random_scores(60, 3, strength=0.5)
    films = [str(i // 6) for i in range(60)]
    file = write_csv(tmp_path / "run/p.csv", labels, scores, failed=["x"], columns={"film": films})
    fitted = Temperature(2.0, "val_predictions.csv", "0", 50)
    report = build_report(read_predictions(file), group="film", temperature=fitted)
    report["run"]["limited"] = "2 batches"
    text = "\n".join(report_lines(report))
    for figure in report["accuracy"].values():
        assert f"{figure['value']:.2f}" in text
        if "interval" in figure:
            assert "{:.2f} .. {:.2f}".format(*figure["interval"]) in text
    assert "run: 60 of 61 videos scored, 1 unreadable\nLIMITED to 2 batches" in text
    assert "10 groups by film" in text
    assert f"expected calibration error {report['calibration']['ece']:.4f}" in text
    after = report["calibration"]["temperature"]
    assert f"temperature 2.000: expected calibration error {after['ece']:.4f}" in text
    first = report["confused_pairs"][0]
    assert f"{first['share']:.0f} %" in text


def test_no_video_left_out_is_hidden(tmp_path):
    file = write_csv(tmp_path / "p.csv", *random_scores(60, 3), failed=["x"])
    file.write_text(file.read_text().replace("broken file", "not scored: the test was limited"))
    lines = report_lines(build_report(read_predictions(file)))
    assert next(lines).endswith("60 of 61 videos scored, 1 left out")


def test_a_file_that_names_no_videos_says_so(tmp_path):
    found = read_predictions(write_csv(tmp_path / "p.csv", *random_scores(6, 3)))
    text = "\n".join(report_lines(build_report(replace(found, has_paths=False))))
    assert "the file names no videos: they are called row 0, row 1, ..." in text
    assert "names no videos" not in "\n".join(report_lines(build_report(found)))


def test_a_comparison_shows_every_pair_and_seed():
    comparison = made_comparison()
    text = "\n".join(comparison_lines(comparison))
    for pair in comparison["pairs"]:
        assert f"{pair['difference']:+.2f}" in text
        assert "{:+.2f} .. {:+.2f}".format(*pair["interval"]) in text
        assert pair["verdict"] in text
    assert "2 seeds (a, a-2): mean 71.20 %, standard deviation 0.80" in text
    assert "Welch's t of 2 and 2 seeds: a - b +3.20 points, p 0.03" in text


def test_several_labels_have_no_mcnemar(tmp_path):
    labels = np.eye(3, dtype=bool)[np.arange(30) % 3]
    labels[0] = True
    file = write_csv(tmp_path / "p.csv", labels, np.random.default_rng(0).random((30, 3)))
    text = "\n".join(report_lines(build_report(read_predictions(file))))
    assert "mAP" in text
    assert "calibration" not in text


def test_a_p_that_is_too_small_for_a_float_is_not_0():
    made = made_comparison(num_runs=2)
    pair = made["pairs"][0] | {"p": 0.0, "mcnemar_p": 0.0}
    row = next(iter(comparison_lines(made | {"pairs": [pair]}))).splitlines()[2]
    assert row.split().count("<1e-300") == 2
    assert render_comparison(made | {"pairs": [pair]}).count(">&lt;1e-300<") == 2
