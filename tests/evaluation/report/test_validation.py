"""Validation beside the test, with the reasons why they differ."""

from timesformer.evaluation.report.records import RunRecord
from timesformer.evaluation.report.validation import against_test

CONFIG = {
    "TEST": {"NUM_ENSEMBLE_VIEWS": 10, "NUM_SPATIAL_CROPS": 3, "VIEW_PLACEMENT": "official",
             "PRECISION": "fp32"},
    "DATA": {"ENSEMBLE_METHOD": "sum", "TRAIN_CROP_SIZE": 224, "TEST_CROP_SIZE": 256},
    "TRAIN": {"PRECISION": "bf16"},
}  # fmt: skip
BEST = {"top1_err": 20.0, "epoch": 12, "videos": 300}
TOP1 = {"top1": {"value": 83.5}}


def test_the_difference_and_every_reason():
    weights = {"weights": "out/checkpoints/checkpoint_epoch_00015.pyth"}
    found = against_test(RunRecord(validation=BEST, config=CONFIG, results=weights), TOP1)
    assert (found["value"], found["difference"], found["epoch"], found["videos"]) == (
        80,
        3.5,
        12,
        300,
    )
    text = " ".join(found["reasons"])
    for part in ("10 temporal views x 3 crops, by sum", "VIEW_PLACEMENT official", "224 pixels wide "
                 "in validation, 256 in the test", "computes in bf16, the test in fp32",
                 "The test is of epoch 15, the best validation of epoch 12"):  # fmt: skip
        assert part in text


def test_one_view_and_precision_of_several_labels():
    one = {"TEST": {"NUM_ENSEMBLE_VIEWS": 1, "NUM_SPATIAL_CROPS": 1}}
    found = against_test(RunRecord(validation={"map": 0.5}, config=one), {"map": {"value": 45.0}})
    assert (found["value"], found["difference"]) == (50, -5)
    assert any("Both score 1 clip" in reason for reason in found["reasons"])


def test_nothing_is_said_of_what_is_unknown():
    assert against_test(RunRecord(), TOP1) is None
    assert against_test(RunRecord(validation={}), TOP1) is None
    assert against_test(RunRecord(validation=BEST, split="val"), TOP1) is None
