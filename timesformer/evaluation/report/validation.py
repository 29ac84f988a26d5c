"""The best validation of a training beside its test, and why the two differ."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from timesformer.evaluation.report.records import RunRecord
from timesformer.files import EPOCH_NAME


def against_test(record: RunRecord, accuracy: Mapping[str, Any]) -> dict[str, Any] | None:
    """The validation accuracy in percent, its distance from the test, and reasons; None if unknown."""
    found = record.validation
    if found is None or record.split != "test":
        return None
    error, precision = found.get("top1_err"), found.get("map")
    if isinstance(error, int | float) and "top1" in accuracy:
        value, tested = 100.0 - error, accuracy["top1"]["value"]
    elif isinstance(precision, int | float) and "map" in accuracy:
        value, tested = 100.0 * precision, accuracy["map"]["value"]
    else:
        return None
    return {
        "value": value,
        "epoch": found.get("epoch"),
        "videos": found.get("videos"),
        "difference": tested - value,
        "reasons": list(_reasons(record, found)),
    }


def _reasons(record: RunRecord, found: Mapping[str, Any]) -> Iterator[str]:
    yield "The lists are different: val.csv and test.csv."
    yield "It is the best of several epochs, which favours validation."
    temporal, crops = record.key("TEST.NUM_ENSEMBLE_VIEWS"), record.key("TEST.NUM_SPATIAL_CROPS")
    clips = record.num_views
    if clips and clips > 1:
        how = f": {temporal} temporal views x {crops} crops" if temporal and crops else ""
        yield (
            f"Validation scores 1 clip of a video, the test ensembles {clips}{how}, by "
            f"{record.ensemble or 'an unknown method'}."
        )
    elif clips == 1:
        yield "Both score 1 clip of a video; it may lie elsewhere in the video."
    placement = record.key("TEST.VIEW_PLACEMENT")
    if placement == "official":
        yield (
            "TEST.VIEW_PLACEMENT official: the first clip begins at the first frame, and none reaches the "
            "last; validation takes the middle."
        )
    sides = record.key("DATA.TRAIN_CROP_SIZE"), record.key("DATA.TEST_CROP_SIZE")
    if all(sides) and sides[0] != sides[1]:
        yield f"Crops are {sides[0]} pixels wide in validation, {sides[1]} in the test."
    precisions = record.key("TRAIN.PRECISION"), record.key("TEST.PRECISION")
    if all(precisions) and precisions[0] != precisions[1]:
        yield f"Validation computes in {precisions[0]}, the test in {precisions[1]}."
    epoch, weights = found.get("epoch"), record.result("weights")
    if isinstance(weights, str) and isinstance(epoch, int):
        tested = EPOCH_NAME.fullmatch(PurePath(weights).name)
        if tested and int(tested[1]) != epoch:
            yield f"The test is of epoch {int(tested[1])}, the best validation of epoch {epoch}."
