"""The temperature T that makes ``softmax(logits / T)`` as confident as it is right, fitted on val."""

from dataclasses import dataclass
from pathlib import Path

from scipy.optimize import minimize_scalar

from timesformer.errors import InputError
from timesformer.evaluation.report.predictions import Predictions, read_predictions
from timesformer.evaluation.report.probabilities import class_logits, log_likelihood
from timesformer.evaluation.report.records import weights_differ
from timesformer.io.terminal import printable

FEWEST = 10  # videos to fit on
_HALVINGS = 7  # T lies between 2^-7 and 2^7


class TemperatureError(InputError, ValueError):
    """Videos that no temperature can be fitted on."""


@dataclass(frozen=True)
class Temperature:
    """A temperature and the videos that it was fitted on."""

    value: float
    fitted_on: str  # the file of predictions
    sha256: str  # of that file
    videos: int


def find_temperature(test: Predictions, named: str) -> Temperature:
    """The temperature for the probabilities of ``test``.

    Args:
        test: whose calibration is reported.
        named: ``val``, the validation predictions beside those of the test, or a file or run folder.

    Raises:
        PredictionsError: there are no such predictions.
        TemperatureError: they are of the test itself, of other classes or weights, or no T fits.
    """
    source = test.origin.parent if named == "val" else Path(named)
    found = read_predictions(source, split="val")
    where = printable(found.origin)
    names_videos = found.has_paths and test.has_paths  # else keys are rows, which all files share
    again = len(set(found.keys) & set(test.keys)) if names_videos else 0
    if found.sha256 == test.sha256:
        again = len(found.keys)
    if again:
        raise TemperatureError(
            f"{where} holds {again} of the videos of the test; a temperature that is fitted on them would "
            "flatter it: name predictions of other videos, as those of a test with TEST.SPLIT val"
        )
    if found.num_classes != test.num_classes:
        raise TemperatureError(
            f"{where} has {found.num_classes} classes, and the test has {test.num_classes}; name "
            "predictions of the same model"
        )
    weights = found.record.result("weights"), test.record.result("weights")
    in_one_run = found.origin.parent == test.origin.parent
    if all(weights) and weights_differ(*weights, in_one_run=in_one_run):
        raise TemperatureError(
            f"{where} is of the weights {printable(weights[0])}, and the test of {printable(weights[1])}; "
            "test both lists with the same weights"
        )
    return Temperature(fit_temperature(found), found.origin.name, found.sha256, len(found.paths))


def fit_temperature(validation: Predictions) -> float:
    """The T of the highest likelihood.

    Raises:
        TemperatureError: videos have several labels, are too few, or are such that the best T is 0 or
            infinite.
    """
    where = printable(validation.origin)
    if validation.is_multi_label:
        raise TemperatureError(
            f"{where}: its videos have several labels; a temperature is for one label a video"
        )
    if len(validation.labels) < FEWEST:
        raise TemperatureError(
            f"{where}: {len(validation.labels)} videos; a temperature needs {FEWEST} or more"
        )
    if (validation.predicted == validation.labels).all():
        raise TemperatureError(
            f"{where}: all predictions are right, so the best temperature is 0; use more videos"
        )
    logits = class_logits(validation)
    found = minimize_scalar(
        lambda power: -log_likelihood(logits / 2**power, validation.labels),
        bounds=(-_HALVINGS, _HALVINGS),
        method="bounded",
        options={"xatol": 1e-6},
    )
    if abs(found.x) > _HALVINGS - 0.01:
        raise TemperatureError(
            f"{where}: the best temperature is not between 1/{2**_HALVINGS} and {2**_HALVINGS}, since the "
            "scores tell nothing of the labels; use other weights"
        )
    return float(2**found.x)
