from tests.visualize.made_report import made_report
from timesformer.visualize.definitions import definitions


def test_each_number_of_a_report_has_one_sentence():
    found = dict(definitions(made_report()))
    assert {"top-1", "macro F1", "chance", "calibration error", "Brier score"} <= set(found)
    assert "mAP" not in found
    assert all(text.endswith(".") and text.count(". ") == 0 for text in found.values())


def test_what_a_report_has_not_is_not_defined():
    found = dict(definitions(made_report(calibration=None, accuracy={"map": {"value": 1.0}})))
    assert "mAP" in found
    assert not {"top-1", "Brier score"} & set(found)
