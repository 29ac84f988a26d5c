"""Every line and cell of a CSV of predictions that is wrong is named."""

import numpy as np
import pytest

from tests.evaluation.report.made import random_scores, write_csv
from timesformer.evaluation.report import prediction_table
from timesformer.evaluation.report.predictions import PredictionsError, read_predictions
from timesformer.evaluation.report.records import UNKNOWN, RunRecord

HEAD = "path,label,prediction,error,score_0,score_1,score_2\n"
GOOD = "a.mp4,0,0,,.5,.25,.25\n"
WRONG = {
    "no path": ("label,score_0,score_1\n0,1,2\n", "no column path in its first line (label, score_0, "
                "score_1); predictions have the columns path, label, score_0, score_1, ..., with "
                "commas between"),
    "no label": ("path,score_0,score_1\na,1,2\n", "no column label in its first line (path, score_0"),
    "neither": ("a,b,c,d,e,f,g\n", "no column path and no column label in its first line (a, b, c, d, "
                "e, f, ...)"),
    "a header is missing": (GOOD, "no column path and no column label in its first line (a.mp4, 0, "),
    "semicolons": (HEAD.replace(",", ";"), "no column path and no column label in its first line "
                   "(path;label;prediction;error;score_0;scor)"),
    "a gap": ("path,label,score_0,score_2\na,0,1,2\n", "no column score_1; a report needs the score of "
              "every class, score_0, score_1, ..."),
    "no scores": ("path,label,prediction\na,0,1\n", "no column score_0; a report needs"),
    "from one": ("path,label,score_1,score_2\na,0,1,2\n", "no column score_0; a report needs"),
    "with zeros": ("path,label,score_00,score_01\na,0,1,2\n", "no column score_0; a report needs"),
    "one class": ("path,label,score_0\na,0,1\n", "scores of 1 class; a report needs those of 2 or more"),
    "a column twice": ("path,label,label,score_0,score_1\na,0,0,1,2\n",
                       "two columns are called label; remove one"),
    "nan": (HEAD + GOOD + "b.mp4,0,0,,1,nan,0\n", "b.mp4 has a score that is not a finite number (nan "
            "or inf), as 1 of 2 videos; test again, or name the file of another program"),
    "all nan": (HEAD + GOOD + "b.mp4,0,0,,nan,nan,nan\n", "b.mp4 has a score that is not a finite"),
    "inf": (HEAD + GOOD + "b.mp4,0,0,,1,-inf,0\nc,0,0,,inf,1,1\n", "b.mp4 has a score that is not a "
            "finite number (nan or inf), as 2 of 3 videos"),
    "a blank score": (HEAD + GOOD + "b.mp4,0,0,,1,,0\n", "b.mp4 has a score that is not a finite"),
    "a text": (HEAD + GOOD + "b.mp4,0,0,,1,high,0\n",
               "line 3: score_1 is 'high', which is not a number"),
    "a number of Python": (HEAD + "b,0,0,,1_0,1,0\n", "line 2: score_0 is '1_0', which is not a number"),
    "NA": (HEAD + "b,0,0,,1,NA,0\n", "line 2: score_1 is 'NA', which is not a number"),
    "a decimal comma": (HEAD + 'b,0,0,,"0,5",1,0\n', "line 2: score_0 is '0,5', which is not a number"),
    "a path twice": (HEAD + GOOD + GOOD, "two rows of one path, a.mp4; every video counts once, so "
                     "remove one"),
    "a part twice": ("path,label,start_seconds,end_seconds,score_0,score_1\n" + "a,0,1,2,1,0\n" * 2,
                     "two rows of one path, a; every"),
    "out of range": (HEAD + "a,3,0,,1,0,0\n", "a has the label 3, but there are scores of the classes "
                     "0 .. 2; correct the label"),
    "negative": (HEAD + "a,-1,0,,1,0,0\n", "a has the label -1, but there are scores"),
    "far out of range": (HEAD + f"a,1{'0' * 30},0,,1,0,0\n", f"a has the label 1{'0' * 30}, but"),
    "one of several": (HEAD + "a,1;7,0,,1,0,0\n", "a has the label 7, but there are scores"),
    "no label of a video": (HEAD + GOOD + "b,,0,,1,0,0\n", "b has no label; every video needs one"),
    "a name": (HEAD + "a,jump,0,,1,0,0\n", "a has the label 'jump'; a label is the number of a class, "
               "0, 1, ..., several are 3;7"),
    "a float": (HEAD + "a,1.0,0,,1,0,0\n", "a has the label '1.0'; a label is the number of a class"),
    "not the highest": (HEAD + "a,0,1,,1,0,0\n", "a has the prediction 1, but the highest score is that "
                        "of class 0; the file was edited: test again"),
    "no class": (HEAD + "a,0,3,,1,0,0\n", "a has the prediction 3, but the highest score is that of "
                 "class 0"),
    "a prediction by name": (HEAD + "a,0,jump,,1,0,0\n", "a has the prediction 'jump', which is not the "
                             "number of a class; correct it, or remove the column"),
    "a prediction is missing": (HEAD + GOOD + "b,0,,,1,0,0\n", "b has the prediction '', which is not"),
    "a negative prediction": (HEAD + "a,0,-1,,1,0,0\n", "a has the prediction '-1', which is not"),
    "a long prediction": (HEAD + f"a,0,{'9' * 30},,1,0,0\n", "a has the prediction '999"),
    "a cell too many": (HEAD + GOOD + "b,0,0,,1,0,0,9\n", "line 3 has 8 cells, the first line has 7; "
                        "test again, or name the file of another program"),
    "in the first line": (HEAD + "b,0,0,,1,0,0,9\n" + GOOD, "line 2 has 8 cells, the first line has 7"),
    "in every line": (HEAD + "b,0,0,,1,0,0,9\nc,0,0,,1,0,0,9\n", "line 2 has 8 cells, the first line"),
    "cut off": (HEAD + GOOD + "b,0,0,,1,0", "line 3 has 6 cells, the first line has 7; the file may be "
                "cut off; test again, or name the file of another program"),
    "cut off in quotes": (HEAD + GOOD + '"b', "line 3 has 1 cells, the first line has 7; the file may"),
    "cut off before a text": ("path,label,score_0,score_1,film\na,0,1,2,f\nb,1,1,2\n",
                              "line 3 has 4 cells, the first line has 5; the file may be cut off"),
    "an error and scores": (HEAD + "a,0,0,slow,1,0,0\n", "a has an error and scores too; leave one of "
                            "them blank"),
    "a label of a video without scores": (HEAD + GOOD + "b,7,,broken,,,\n", "b has the label 7, but"),
    "no video has scores": (HEAD + "a,0,,broken,,,\n", "no video has scores, so there is nothing to "
                            "report"),
    "a blank path": (HEAD + GOOD + ",0,0,,1,0,0\n", "row 2 has no path; every video needs one"),
    "no video": (HEAD, "no video has scores, so there is nothing to report"),
    "one line break": ("\n", "no column path and no column label in its first line ()"),
    "a cell that is too long": (f'{"x" * 200_000}\n', "not a CSV: field larger than field limit"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, tmp_path):
    text, message = WRONG[case]
    file = tmp_path / "p.csv"
    file.write_text(text)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(256)) * 4,
        b"\xff\xd8\xff\xe0JFIF" + bytes(range(256)),
        b"\0" * 1000,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        HEAD.encode("utf-16"),
    ],
)
def test_binary_files_are_no_csv(content, tmp_path):
    file = tmp_path / "p.csv"
    file.write_bytes(content)
    with pytest.raises(PredictionsError, match="no column path and no column label|not a CSV"):
        read_predictions(file)


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_refused_or_read_but_never_another_error(seed, tmp_path):
    rng = np.random.default_rng(seed)
    labels, scores = random_scores(6, 3, seed=seed)
    file = write_csv(tmp_path / "p.csv", labels, scores, failed=["x"], names=["a", "b", "c"])
    content = bytearray(file.read_bytes())
    for place in rng.integers(len(content), size=3):
        content[place] = rng.choice([*b'",\n\r;\0\xff9-'])
    file.write_bytes(bytes(content[: rng.integers(len(content) // 2, len(content) + 1)]))
    try:
        assert np.isfinite(read_predictions(file).scores).all()
    except PredictionsError as refused:
        assert str(refused).startswith(str(file))  # noqa: PT017


def test_a_line_that_no_csv_has_is_named(tmp_path):
    content = HEAD.encode() + b"b,0,0,,x,1,0\n" + b'"' + b"x" * 200_000 + b'",0,0,,1,0\n'
    with pytest.raises(PredictionsError, match="line 2: score_0 is 'x'"):
        prediction_table.read_table(tmp_path, content, UNKNOWN)
    content = HEAD.encode() + b'"' + b"x" * 200_000 + b'",0,0,,x,1,0\n'
    with pytest.raises(PredictionsError, match="line 2 is not one of a CSV: field larger than"):
        prediction_table.read_table(tmp_path, content, UNKNOWN)


def test_a_prediction_column_without_predictions_says_nothing(tmp_path):
    content = HEAD.encode() + b"a,0,,,0,1,0\n"
    found = prediction_table.read_table(tmp_path, content, UNKNOWN)
    assert found.predicted.tolist() == [1]


def test_a_comma_at_the_end_of_every_line_is_no_cell(tmp_path):
    content = HEAD.encode() + b"a,0,1,,0,1,0,\nb,0,1,,0,1,0,\n"
    assert prediction_table.read_table(tmp_path, content, UNKNOWN).paths == ("a", "b")


def test_names_do_not_depend_on_the_order_of_sets(tmp_path):
    head = "path,label,label_name,score_0,score_1\n"
    content = head + "".join(f"v{i},0,name {i},1,0\n" for i in range(20))
    found = prediction_table.read_table(tmp_path, content.encode(), UNKNOWN)
    assert found.names == ("name 0", "class 1")


def test_a_run_of_several_labels_may_have_videos_without_any(tmp_path):
    content = b"path,label,score_0,score_1\na,,1,0\nb,1,1,0\n"
    record = RunRecord(results={"map": 0.5})
    found = prediction_table.read_table(tmp_path, content, record)
    assert found.labels.tolist() == [[False, False], [False, True]]
