"""The file of features comes back as it was, and every fault of one is named."""

import numpy as np
import pytest

from tests.features.made import made_features
from timesformer.features.feature_set import (
    FeaturesError,
    labelled,
    read_features,
    stacked,
    unit,
    write_features,
)


def test_a_file_comes_back_as_it_was(tmp_path):
    made = made_features(frames=3)
    write_features(tmp_path / "f.npz", made)
    found = read_features(tmp_path / "f.npz")
    assert np.array_equal(found.values, made.values)
    assert found.paths == made.paths
    assert found.labels.tolist() == made.labels.tolist()
    assert found.class_names == made.class_names
    assert found.made == {"tokens": "cls"}
    assert found.origin == str(tmp_path / "f.npz")
    assert np.isnan(found.spans).all()


def test_vectors_have_length_1_and_those_of_frames_are_averaged_first():
    made = made_features(frames=3)
    mean = made.values.astype(np.float64).mean(axis=1)
    assert np.allclose(made.vectors(), mean / np.linalg.norm(mean, axis=1)[:, None])
    assert np.allclose(np.linalg.norm(made.sequences(), axis=-1), 1)
    assert unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_names_of_classes_that_are_not_known_are_numbers():
    made = made_features((2, 2))
    assert made.class_name(1) == "name 1"
    assert made._replace(class_names=()).class_name(1) == "class 1"


GOOD = {
    "features": np.ones((2, 3), np.float32),
    "paths": np.array(["a", "b"]),
    "labels": np.arange(2),
}
NAN = np.full((2, 3), np.nan, np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"paths": None},
            "has no paths; it needs features, paths, labels, as timesformer features",
        ),
        ({"features": np.ones(2, np.float32)}, "features are float32 (2,), but must be (N, D) or"),
        ({"features": np.ones((2, 3), np.int64)}, "features are int64 (2, 3), but must be"),
        ({"features": np.ones((0, 3), np.float32)}, "features are float32 (0, 3), but must be"),
        (
            {"labels": np.arange(3)},
            "not one label and one path a video: features (2, 3), labels (3,)",
        ),
        ({"labels": np.ones(2)}, "labels are float64, but must be whole numbers"),
        ({"spans": np.ones(2)}, "not one start and one end a video: spans (2,)"),
        ({"features": NAN}, "features of 2 videos are not finite; write it again"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, change, message):
    arrays = {key: value for key, value in (GOOD | change).items() if value is not None}
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(FeaturesError) as error:
        read_features(tmp_path / "f.npz")
    assert message in str(error.value)


def test_a_file_that_is_something_else_is_named(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    np.savez_compressed(tmp_path / "damaged.npz", **GOOD)
    content = bytearray((tmp_path / "damaged.npz").read_bytes())
    content[60:100] = b"\xff" * 40  # in the first array
    (tmp_path / "damaged.npz").write_bytes(content)
    for name in ("text.npz", "empty.npz", "one.npz", "damaged.npz"):
        with pytest.raises(FeaturesError, match=r"is not a file of features .* write one by"):
            read_features(tmp_path / name)
    with pytest.raises(FeaturesError, match=r"absent.npz cannot be read: No such file"):
        read_features(tmp_path / "absent.npz")


def test_pickled_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "f.npz", **(GOOD | {"paths": np.array(["a", None], dtype=object)}))
    with pytest.raises(FeaturesError, match="is not a file of features"):
        read_features(tmp_path / "f.npz")


def test_a_text_that_is_not_json_says_nothing(tmp_path):
    np.savez(tmp_path / "f.npz", **GOOD, made="by hand")
    assert read_features(tmp_path / "f.npz").made == {}


def test_what_is_missing_is_named():
    made = made_features((2, 2))
    with pytest.raises(
        FeaturesError, match=r"made.npz has one vector a video, but dtw .* --tokens frames"
    ):
        made.sequences()
    made.labels[1] = -1
    with pytest.raises(
        FeaturesError, match=r"1 of 4 videos have no label, as videos/0 1.mp4, but few-shot"
    ):
        labelled(made, needs="few-shot")
    with pytest.raises(FeaturesError, match=r"list.csv: no video has features"):
        stacked([], "list.csv")
