"""Features on disk: computed once, shared by lists, and never those of other weights or files."""

import os

import numpy as np
import pytest
import torch

from timesformer import Predictor
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.features.store import default_folder, part_of, stored_features, video_digest


@pytest.fixture
def predictor(trained):
    return Predictor.from_checkpoint(trained()[1])


def listed(paths, segments=None):
    return VideoList(PackedStrings(paths), np.arange(len(paths)), "a list", (), segments)


def names_of(data_dir, count):
    return [str(data_dir / f"videos/test {i}.mp4") for i in range(count)]


@pytest.fixture
def compute(predictor, tmp_path, monkeypatch):
    """Features of a list, and how many of its videos were computed."""
    computed = []
    stream = Predictor.stream_features

    def counted(self, videos, **options):
        for found in stream(self, videos, **options):
            computed.append(found.video)
            yield found

    monkeypatch.setattr(Predictor, "stream_features", counted)

    def compute(videos, by=predictor, tokens="cls"):
        computed.clear()
        found = list(
            stored_features(by, videos, tokens=tokens, precision="fp32", folder=tmp_path / "store")
        )
        return found, len(computed)

    return compute


def test_features_are_computed_once_and_are_those_of_the_predictor(compute, predictor, data_dir):
    paths = names_of(data_dir, 4)
    first, number = compute(listed(paths))
    assert number == 4
    again, number = compute(listed(paths))
    assert number == 0
    expected = predictor.features(paths)
    for found in (first, again):
        assert torch.allclose(torch.stack([each.values for each in found]), expected, atol=1e-6)
        assert [each.video for each in found] == paths
        assert all(each.span.end_seconds > each.span.start_seconds for each in found)
    assert [each.span for each in first] == [each.span for each in again]


def test_another_list_computes_what_it_has_more(compute, data_dir):
    paths = names_of(data_dir, 5)
    compute(listed(paths[1:3]))
    found, number = compute(listed(paths))
    assert number == 3
    assert [each.video for each in found] == paths


def test_an_interrupted_run_resumes(predictor, data_dir, tmp_path, compute):
    paths = names_of(data_dir, 3)
    stream = stored_features(
        predictor, listed(paths), tokens="cls", precision="fp32", folder=tmp_path / "store"
    )
    next(stream), next(stream)
    stream.close()
    assert compute(listed(paths))[1] <= 2


def test_other_tokens_weights_files_and_parts_are_computed(compute, predictor, data_dir, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes((data_dir / "videos/test 0.mp4").read_bytes())
    assert compute(listed([str(path)]))[1] == 1
    assert compute(listed([str(path)]), tokens="frames")[1] == 1
    assert compute(listed([str(path)], np.array([[0.1, 0.5]])))[1] == 1
    os.utime(path, ns=(0, 0))
    assert compute(listed([str(path)]))[1] == 1
    with torch.no_grad():
        next(predictor.model.parameters()).add_(1)
    assert compute(listed([str(path)]))[1] == 1
    assert compute(listed([str(path)]))[1] == 0


def test_a_damaged_file_is_computed_again_and_errors_are_not_kept(compute, data_dir, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    paths = [*names_of(data_dir, 1), str(broken)]
    compute(listed(paths))
    [kept] = (tmp_path / "store").rglob("*.npz")
    kept.write_bytes(kept.read_bytes()[:40])
    found, number = compute(listed(paths))
    assert number == 2
    assert [bool(each.error) for each in found] == [False, True]


def test_part_of_a_list_keeps_labels_and_seconds():
    videos = listed(["a", "b", "c"], np.array([[0, 1], [2, 3], [4, 5]], float))
    part = part_of(videos, [2, 0])
    assert list(part.sources) == ["c", "a"]
    assert part.labels.tolist() == [2, 0]
    assert part.segment(0) == (4, 5)
    assert video_digest(part, 0) == video_digest(videos, 2)


def test_the_folder_is_that_of_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "timesformer/features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache/timesformer/features"
