"""Films show motion in the annotated seconds and nowhere else, measured by their pixels."""

import json

import numpy as np
import pytest

from timesformer.datasets.motion import CLASSES, FRAME_RATE, Recipe, draw_scene, split_digits
from timesformer.datasets.motion_films import (
    ANNOTATIONS,
    FOLDER,
    FilmRecipe,
    draw_film,
    film_name,
    make_films,
    subset_of,
)
from timesformer.errors import InputError
from timesformer.video import read_video

CLIPS = Recipe(train=4, val=4, test=4, size=48, num_frames=36, seed=3)
RECIPE = FilmRecipe(CLIPS, num_films=4, seconds=20.0)
INK = 175  # digits are brighter, textures are darker
AXES = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    assert make_films(folder, RECIPE, num_workers=1)
    return folder


@pytest.fixture(scope="module")
def films(root):
    """(frames, actions as (label, first, end)) of each film, as the files say."""
    database = json.loads((root / ANNOTATIONS).read_text())["database"]
    found = []
    for name, film in database.items():
        path = root / FOLDER / f"{name}.mp4"
        frames = read_video(path, lambda timeline: np.arange(len(timeline.pts))[None]).images
        assert len(frames) == film["duration"] * FRAME_RATE
        actions = [
            (each["label"], *(round(time * FRAME_RATE) for time in each["segment"]))
            for each in film["annotations"]
        ]
        found.append((frames, actions))
    return found


def centroids(frames):
    """(N, 2) x and y of what is brighter than the darkest frame at its place; nan: nothing is."""
    grey = frames.astype(float).mean(axis=-1)
    ink = np.clip(grey - grey.min(axis=0) - 20, 0, None) ** 2
    total = ink.sum(axis=(1, 2))
    total[total < 1] = np.nan
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    return np.stack([(ink * axis).sum(axis=(1, 2)) / total for axis in (x, y)], axis=1)


def glide(frames):
    """The class of the motion that ``frames`` show from their first to their last; None: no glide."""
    steps = np.diff(centroids(frames), axis=0)
    for label, (axis, sign) in AXES.items():
        along, across = sign * steps[:, axis], steps[:, 1 - axis]
        even = along.mean() > 0.2 and along.min() > -0.2 and along.max() < 3 * along.mean()
        if even and abs(across).max() < 0.7:
            return label
    return None


def test_an_action_is_one_glide_in_its_direction_and_background_is_none(films):
    num_windows = 0
    for frames, actions in films:
        for label, first, end in actions:
            assert end - first >= CLIPS.num_frames
            assert glide(frames[first + 2 : end - 2]) == label
        borders = [0, *(time for action in actions for time in action[1:]), len(frames)]
        for first, end in zip(borders[::2], borders[1::2], strict=True):
            for start in range(first, end - 17, 6):
                assert glide(frames[start : start + 18]) is None
                num_windows += 1
    assert num_windows > 50


def test_starts_and_ends_are_exact(films):
    """Where an action starts or ends more changes than between any two of its frames."""
    for frames, actions in films:
        change = abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3))  # of i to i + 1
        for _, first, end in actions:
            within = change[first : end - 1].max()
            assert change[first - 1] > 1.3 * within
            assert change[end - 1] > 1.3 * within


def test_an_action_has_the_speed_of_the_clips():
    """A clip's path, from margin to margin, takes as long as a clip."""
    steps, of_clips = [], []
    for index in range(RECIPE.num_films):
        for piece in draw_film(RECIPE, index):
            if piece.label is not None:
                axis, sign = AXES[CLASSES[piece.label]]
                steps.append(sign * np.median(np.diff(centroids(piece.frames)[:, axis])))
    for seed in range(100):
        rng = np.random.default_rng(seed)
        start, end = draw_scene(rng, size=48, axis=0, digits=split_digits(0)).path
        of_clips.append((end - start) / (CLIPS.num_frames - 1))
    assert min(of_clips) * 0.85 < min(steps) < max(steps) < max(of_clips) * 1.1
    assert np.mean(steps) == pytest.approx(np.mean(of_clips), rel=0.1)


def test_classes_are_balanced_lengths_vary_and_all_backgrounds_occur():
    recipe = FilmRecipe(CLIPS, num_films=1, seconds=150.0)
    pieces = list(draw_film(recipe, 0))
    assert sum(len(piece.frames) for piece in pieces) == 150 * FRAME_RATE
    labels = [piece.label for piece in pieces if piece.label is not None]
    counts = np.bincount(labels, minlength=4)
    assert counts.max() - counts.min() <= 1
    lengths = [len(piece.frames) for piece in pieces if piece.label is not None]
    assert min(lengths) < 50 < 60 < max(lengths)
    kinds = set()
    for piece in pieces:
        if piece.label is None:
            moves = (piece.frames != piece.frames[0]).any()
            flat = (piece.frames[0] == piece.frames[0, 0, 0]).all()
            inked = (piece.frames[0].mean(axis=-1) > INK).any()
            kinds.add("blank" if flat else "jumping" if moves else "still" if inked else "texture")
    assert kinds == {"blank", "jumping", "still", "texture"}


def test_the_annotations_have_the_layout_of_activitynet(root):
    found = json.loads((root / ANNOTATIONS).read_text())
    assert set(found) == {"version", "recipe", "taxonomy", "database"}
    assert list(found["database"]) == [film_name(i) for i in range(4)]
    subsets = [film["subset"] for film in found["database"].values()]
    assert subsets == ["validation", "training"] * 2 == [subset_of(i) for i in range(4)]
    assert {node["nodeName"] for node in found["taxonomy"]} == {"Root", *CLASSES}
    for film in found["database"].values():
        times = [time for each in film["annotations"] for time in each["segment"]]
        assert times == sorted(times)
        assert 0 < times[0] < times[-1] < film["duration"] == 20


def contents(root):
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_content_depends_on_the_seed_and_not_on_workers_or_the_number_of_films(root, tmp_path):
    assert make_films(tmp_path, RECIPE._replace(num_films=2), num_workers=2)
    few, all_films = contents(tmp_path), contents(root)
    for index in range(2):
        assert few[f"{film_name(index)}.mp4"] == all_films[f"{film_name(index)}.mp4"]
    other = RECIPE._replace(clips=CLIPS._replace(seed=4), num_films=1)
    first, same = (next(draw_film(recipe, 0)).frames for recipe in (other, RECIPE))
    assert first.shape != same.shape or not np.array_equal(first, same)


def test_complete_films_are_left_alone_and_others_are_refused(root):
    before = contents(root)
    assert not make_films(root, RECIPE, num_workers=1)
    with pytest.raises(InputError, match="choose another folder, or delete this file and"):
        make_films(root, RECIPE._replace(seconds=30.0), num_workers=1)
    assert contents(root) == before


def test_interrupted_films_are_made_again(root, tmp_path):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "film_0000.mp4").write_bytes(b"half")
    assert make_films(tmp_path, RECIPE, num_workers=1)
    assert contents(tmp_path) == contents(root)


def test_a_file_of_annotations_that_is_not_of_films_is_not_overwritten(tmp_path):
    (tmp_path / ANNOTATIONS).write_text("mine")
    with pytest.raises(InputError, match="is of the films null, not"):
        make_films(tmp_path, RECIPE, num_workers=1)
    assert (tmp_path / ANNOTATIONS).read_text() == "mine"


@pytest.mark.parametrize("seconds", [8.3, float("inf"), float("nan")])
def test_a_film_too_short_for_a_shot_is_refused(tmp_path, seconds):
    with pytest.raises(InputError, match=r"take up to 8.4 seconds; give that or more"):
        make_films(tmp_path, RECIPE._replace(seconds=seconds), num_workers=1)
    assert not list(tmp_path.iterdir())
