"""``timesformer report`` as a user calls it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, softmax, write_csv
from timesformer.files import run_files


@pytest.fixture
def run(tmp_path):
    """A run with test and val predictions."""
    folder = tmp_path / "run"
    for split, seed in (("test", 0), ("val", 1)):
        labels, scores = random_scores(120, 4, seed=seed)
        paths = [f"{split}/{i}.mp4" for i in range(120)]
        films = [str(i // 6) for i in range(120)]
        sharp = softmax(3 * np.log(scores))
        write_csv(
            folder / f"{split}_predictions.csv", labels, sharp, paths=paths, columns={"film": films}
        )
    return folder


def test_a_report_needs_the_predictions_alone(run_here, run):
    status, text, _ = run_here("report", run)
    assert status == 0
    report = json.loads((run / "report/report.json").read_text())
    assert f"{report['accuracy']['top1']['value']:.2f}" in text
    assert text.splitlines()[-1] == f"report: {run / 'report/index.html'}"
    assert (run / "report/per_class.csv").is_file()


def test_no_model_is_imported(run, tmp_path):
    code = (
        "import sys; from timesformer.cli.app import run; "
        f"status = run(['report', {str(run)!r}, '--no-frames']); "
        "sys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_every_option_changes_the_report(run_here, run, tmp_path):
    (tmp_path / "train.csv").write_text("".join(f"{i}.mp4 {i % 4}\n" for i in range(9)))
    status, text, _ = run_here(
        "report", run, "--group", "film", "--temperature", "val", "--against", run, "--out",
        tmp_path / "out", "--train-list", tmp_path / "train.csv", "--no-frames",
    )  # fmt: skip
    assert status == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["groups"]["count"] == 20
    assert report["calibration"]["temperature"]["value"] > 1.3
    assert report["per_class"][0]["train_videos"] == 3
    assert report["per_class"][0]["change"] == {"accuracy": 0}
    assert "The temperature is not stored: the weights of the test are not here." in text
    status, _, _ = run_here("report", run, "--split", "val", "--out", tmp_path / "val")
    assert json.loads((tmp_path / "val/report.json").read_text())["run"]["split"] == "val"


def test_a_file_of_another_program_has_its_report_beside_it(run_here, tmp_path):
    file = write_csv(tmp_path / "theirs.csv", *random_scores(30, 3))
    assert run_here("report", file)[0] == 0
    assert (tmp_path / "report-theirs/index.html").is_file()


def test_a_file_of_another_list_or_protocol_leaves_the_report_of_the_test(run_here, run):
    (run / "test_predictions_paper.csv").write_text((run / "test_predictions.csv").read_text())
    for name, folder in (
        ("test_predictions_paper.csv", "report-paper"),
        ("val_predictions.csv", "report-val"),
        ("test_predictions.csv", "report"),
    ):
        assert not (run / folder).exists()
        assert run_here("report", run / name, "--no-frames")[0] == 0
        found = json.loads((run / folder / "report.json").read_text())
        assert found["run"]["predictions"] == name
        assert run / folder in run_files(run)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent"], "absent: no such file or folder; name the OUTPUT_DIR of a tested run"),
        (["empty"], "test_predictions.csv does not exist; test into this OUTPUT_DIR first"),
        (["run", "--views"], "does not exist; test again with TEST.SAVE_VIEWS True"),
        (["run", "--temperature", "run/test_predictions.csv"], "120 of the videos of the test"),
        (["run", "--group", "flim"], "no such column (it has film)"),
        (["run", "--store"], "--store is for a temperature; add --temperature val"),
        (["run", "--train-list", "absent.csv"], "absent.csv"),
        (["run", "--against", "few.csv"], "have 4 and 3 classes; name runs of the same classes"),
        (["run", "--against", "other.csv"], "--against needs a run on the same list"),
        (["run", "--against", "empty"], "does not exist; test into this OUTPUT_DIR first"),
    ],
)
def test_what_cannot_be_reported_is_status_2(run_here, run, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_csv(tmp_path / "few.csv", *random_scores(120, 3))
    paths = [f"test/{i}.mp4" for i in range(119)]
    write_csv(tmp_path / "other.csv", *random_scores(119, 4), paths=paths)
    status, _, error = run_here("report", *words)
    assert status == 2
    assert message in error


def test_a_temperature_is_stored_in_the_weights_of_the_run(run_here, trained, run):
    from timesformer.checkpoint.load import read_weights

    elsewhere = trained()[1]
    inside = run / "checkpoints/best.pyth"
    inside.parent.mkdir()
    inside.write_bytes(elsewhere.read_bytes())

    def report(weights, *words):
        for split in ("test", "val"):
            facts = {"top1_acc": 1.0, "weights": str(weights), "ensemble": "softmax", "views": 1}
            (run / f"{split}_results.json").write_text(json.dumps(facts))
        status, text, _ = run_here("report", run, "--temperature", "val", "--no-frames", *words)
        assert status == 0
        about = read_weights(weights).about
        return text.splitlines()[-3], about.get("temperature", {}).get("value")

    said, value = report(inside, "--no-store")
    assert said == "The temperature is stored nowhere."
    assert value is None
    said, value = report(inside)
    assert said == f"The temperature is stored in {inside}; timesformer predict uses it."
    found = json.loads((run / "report/report.json").read_text())["calibration"]["temperature"]
    assert value == found["value"]
    said, value = report(elsewhere)
    assert said.endswith(f"{elsewhere} is not in the run; --store writes it there.")
    assert value is None
    assert report(elsewhere, "--store")[1] == found["value"]
    moved = run.with_name("moved")
    gone = run / "checkpoints/gone.pyth"
    (run / "checkpoints/best.pyth").rename(gone)
    facts = {"top1_acc": 1.0, "weights": str(gone), "ensemble": "softmax", "views": 1}
    for split in ("test", "val"):
        (run / f"{split}_results.json").write_text(json.dumps(facts))
    run.rename(moved)
    text = run_here("report", moved, "--temperature", "val", "--no-frames")[1]
    assert f"The temperature is stored in {moved / 'checkpoints/gone.pyth'};" in text
