"""What the folder of a run says of its predictions, and folders that say nothing or nonsense."""

import json

import pytest

from timesformer.config import load_config
from timesformer.evaluation.report.records import UNKNOWN, RunRecord, read_record

CLASSES = 'label,name,videos,right,accuracy\n1,\'=run,3,1,33.3\n0,"jump, high",2,2,100\n'


def test_a_whole_folder_is_read(tmp_path, tiny_yaml):
    cfg = load_config(tiny_yaml, ["TEST.NUM_ENSEMBLE_VIEWS", "4", "TEST.NUM_SPATIAL_CROPS", "3"])
    (tmp_path / "config.yaml").write_text(cfg.dump())
    results = {"top1_acc": 50.0, "protocol": "p", "weights": "w"}
    (tmp_path / "test_results.json").write_text(json.dumps(results))
    best = {"epoch": 3, "top1_err": 12.5}
    (tmp_path / "run.json").write_text(json.dumps({"result": {"best_validation": best}}))
    (tmp_path / "test_classes.csv").write_text(CLASSES)
    found = read_record(tmp_path)
    assert (found.folder, found.split) == (tmp_path, "test")
    assert found.result("protocol") == "p"
    assert found.result("x") is None
    assert found.key("TEST.NUM_ENSEMBLE_VIEWS") == 4
    assert found.key("TEST.X.Y") is None
    assert found.key("TEST.NUM_SPATIAL_CROPS.X") is None
    assert found.class_names == ("jump, high", "=run")
    assert found.validation == best
    assert found.num_views == 12
    assert found.ensemble == cfg.DATA.ENSEMBLE_METHOD
    assert found.is_multi_label is False


def test_the_results_count_before_the_configuration():
    config = {"TEST": {"NUM_ENSEMBLE_VIEWS": 10, "NUM_SPATIAL_CROPS": 3},
              "DATA": {"ENSEMBLE_METHOD": "softmax", "MULTI_LABEL": True}}  # fmt: skip
    old = RunRecord(config=config)  # results of before, which name neither
    assert (old.num_views, old.ensemble, old.is_multi_label) == (30, "sigmoid", True)
    new = RunRecord(config=config, results={"views": 5, "ensemble": "max", "top1_acc": 1.0})
    assert (new.num_views, new.ensemble, new.is_multi_label) == (5, "max", False)
    several = RunRecord(results={"map": 0.5, "ensemble": "softmax"})
    assert (several.num_views, several.ensemble, several.is_multi_label) == (None, "sigmoid", True)


def test_the_files_of_a_split_are_its_own(tmp_path):
    (tmp_path / "test_classes.csv").write_text(CLASSES)
    (tmp_path / "val_results.json").write_text('{"views": 2}')
    found = read_record(tmp_path, "val")
    assert (found.split, found.num_views, found.class_names) == ("val", 2, ())


def test_an_empty_folder_says_nothing(tmp_path):
    found = read_record(tmp_path)
    assert found == RunRecord(folder=tmp_path)
    assert (found.num_views, found.ensemble, found.is_multi_label) == (None, None, None)
    assert UNKNOWN.result("views") is UNKNOWN.key("DATA.MULTI_LABEL") is None


BROKEN = {
    "test_results.json": ["", "[1]", "{", "\xff", '{"views": "many", "ensemble": 3}', "[" * 100_000],
    "config.yaml": ["", "- a", "a: [", "!!python/object:os.system {}", "DATA: 3", "a: 1\na: 2"],
    "run.json": ["{}", '{"result": 1}', '{"result": {"best_validation": 7}}', "null"],
    "test_classes.csv": ["", "a,b\n1,2\n", "label,name\nx,y\n", "label,name\n0\n", "label,name\n0,\n",
                         "label,name\n1,x\n", "\0", "label,name\n0," + "x" * 200_000],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in BROKEN.items() for t in texts])
def test_files_of_another_program_say_nothing(name, text, tmp_path):
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    found = read_record(tmp_path)
    assert found.class_names == ()
    assert found.validation is None
    assert (found.num_views, found.ensemble) == (None, None)
    assert found.key("DATA.ENSEMBLE_METHOD") is None


def test_a_file_in_place_of_a_folder_says_nothing(tmp_path):
    (tmp_path / "a").write_text("x")
    assert read_record(tmp_path / "a").class_names == ()


def test_names_that_are_not_utf8_are_kept(tmp_path):
    (tmp_path / "test_classes.csv").write_bytes(b"label,name\n0,caf\xe9\n")
    assert read_record(tmp_path).class_names == ("caf\udce9",)
