from tests.visualize.made_report import made_report
from timesformer.visualize.definitions import absent, definitions


def test_each_number_of_a_report_has_one_sentence():
    found = dict(definitions(made_report()))
    assert {"top-1", "macro F1", "chance", "calibration error", "Brier score"} <= set(found)
    assert "mAP" not in found
    assert all(text.endswith(".") and text.count(". ") == 0 for text in found.values())


def test_what_a_report_has_not_is_not_defined():
    accuracy = {"map": {"value": 1.0}}
    found = definitions(made_report(task="multi_label", calibration=None, accuracy=accuracy))
    assert [name for name, _ in found] == ["mAP"]


def test_what_is_absent_is_said_with_the_way_to_it():
    whole = made_report()
    whole["per_class"][0]["change"] = {"accuracy": 1.0}
    assert absent(whole) == []
    without = made_report(views=None, training_frequency=None, validation=None)
    without["calibration"]["temperature"] = None
    text = " ".join(absent(without))
    for way in ("--views", "--train-list FILE", "--temperature val", "--against RUN", "no record"):
        assert way in text
    without["run"]["split"] = "val"
    assert "no record" not in " ".join(absent(without))


def test_several_labels_need_no_temperature():
    report = made_report(task="multi_label", calibration=None, training_frequency=None)
    assert "--temperature" not in set(" ".join(absent(report)).split())
