"""Shards: the same bytes and clips as the files, in a layout that others can read."""

import hashlib
import json
import tarfile

import fsspec
import pytest
import torch

from tests.conftest import run_tool
from tests.ranges import serve
from timesformer.cli.app import run
from timesformer.config import load_config
from timesformer.datasets import build_dataset, build_loader
from timesformer.datasets.lists import read_list_file
from timesformer.engine.preflight import preflight
from timesformer.video import shard_writer, sources


def pack(*arguments):
    return run_tool("make_shards.py", *arguments)


def lists_of(folder):
    return [folder / f"{split}.csv" for split in ("train", "val", "test")]


@pytest.fixture(scope="module")
def packed(data_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("packed")
    result = pack(*lists_of(data_dir), "--out", out, "--shard-size", "40KB", "--verify")
    assert result.returncode == 0, result.stderr
    assert "shards, verified" in result.stdout
    return out


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_shards_have_the_webdataset_layout(packed, data_dir):
    originals = [line.rsplit(" ", 1) for line in (data_dir / "train.csv").read_text().splitlines()]
    tars = sorted((packed / "train").glob("*.tar"))
    assert [tar.name for tar in tars] == [f"shard-{i:06d}.tar" for i in range(len(tars))]
    assert len(tars) > 2
    seen = []
    for path in tars:
        assert path.stat().st_size <= 40_000 + 10_240  # tar ends are padded to a record
        with tarfile.open(path) as tar:
            members = [(m.name, tar.extractfile(m).read()) for m in tar]
        for (video, data), (cls, label), (name, facts) in zip(*[iter(members)] * 3, strict=True):
            key = video.split(".")[0]
            assert (video, cls, name) == (f"{key}.mp4", f"{key}.cls", f"{key}.json")
            source, expected = originals[int(key)]
            assert data == (data_dir / source).read_bytes()
            assert label == expected.encode()
            assert json.loads(facts)["label"] == int(expected)
            assert json.loads(facts)["path"].endswith(source)
            seen.append(int(key))
    assert sorted(seen) == list(range(len(originals)))
    assert seen != sorted(seen)


def test_lists_name_members_in_the_order_of_the_originals(packed, data_dir):
    for name in ("train.csv", "val.csv", "test.csv"):
        ours = [line.split(" ") for line in (packed / name).read_text().splitlines()]
        theirs = (data_dir / name).read_text().splitlines()
        assert [label for _, label in ours] == [line[-1] for line in theirs]
        keys = [path.rpartition("::")[2] for path, _ in ours]
        assert keys == [f"{i:06d}.mp4" for i in range(len(theirs))]


@pytest.fixture(params=["local", "memory", "http"])
def place(request, packed):
    """Overrides that read the packed lists, from disk or through URLs."""
    files = {f"/packed/{p.relative_to(packed)}": p.read_bytes() for p in packed.rglob("shard-*")}
    overrides = ["DATA.PATH_TO_DATA_DIR", str(packed)]
    if request.param == "memory":
        fsspec.filesystem("memory").pipe(files)
        overrides += ["DATA.PATH_PREFIX", "memory://packed"]
    if request.param != "http":
        yield overrides
        return
    with serve() as server:
        server.files = files
        yield [*overrides, "DATA.PATH_PREFIX", f"{server.url}/packed"]


def test_training_gets_exactly_the_clips_of_the_files(tiny_yaml, place):
    preflight(load_config(tiny_yaml, place))
    for split in ("train", "val", "test"):
        files, members = (
            build_dataset(load_config(tiny_yaml, overrides), split) for overrides in ([], place)
        )
        for epoch, index in ((0, 0), (0, 5), (3, 5), (1, 6)):
            ours, theirs = members[epoch, index], files[epoch, index]
            assert not ours.failures
            assert torch.equal(ours.clips, theirs.clips)
            assert torch.equal(ours.labels, theirs.labels)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_loader_processes_read_shards_too(tiny_yaml, place, workers):
    def batches(*overrides):
        return list(build_loader(load_config(tiny_yaml, overrides), "train"))

    preflight(load_config(tiny_yaml, place))  # this process has asked the server before it forks

    ours = batches(*place, "DATA_LOADER.NUM_WORKERS", workers)
    for one, two in zip(ours, batches(), strict=True):
        assert not one.failures
        assert torch.equal(one.clips, two.clips)
        assert torch.equal(one.labels, two.labels)


def test_the_same_arguments_give_the_same_bytes_and_another_seed_another_order(
    packed, data_dir, tmp_path
):
    for seed, same in ((0, True), (1, False)):
        out = tmp_path / str(seed)
        pack(*lists_of(data_dir), "--out", out, "--shard-size", "40KB", "--seed", seed)
        assert (digest(out) == digest(packed)) == same


def test_an_interrupted_packing_goes_on(packed, data_dir, tmp_path):
    arguments = [data_dir / "train.csv", "--out", tmp_path / "out", "--shard-size", "40KB"]
    pack(*arguments)
    whole = digest(tmp_path / "out")
    folder = tmp_path / "out/train"
    (tmp_path / "out/train.csv").unlink()
    (folder / "shard-000001.tar.index.json").unlink()
    (folder / "shard-000001.tar").rename(folder / ".shard-000001.tar.1.tmp")
    kept = (folder / "shard-000000.tar").stat().st_mtime_ns
    assert pack(*arguments).returncode == 0
    assert digest(tmp_path / "out") == whole
    assert (folder / "shard-000000.tar").stat().st_mtime_ns == kept
    assert "complete already, nothing to do" in pack(*arguments).stdout
    other = pack(*arguments, "--seed", "3")
    assert other.returncode == 2
    assert "holds shards of another list, size or seed; choose another folder" in other.stderr
    assert digest(tmp_path / "out") == whole


def test_verify_finds_what_has_changed(data_dir, tmp_path):
    arguments = [data_dir / "val.csv", "--out", tmp_path / "out"]
    pack(*arguments)
    path = tmp_path / "out/val/shard-000000.tar"
    data = bytearray(path.read_bytes())
    at = data.index(b"moov")
    data[at : at + 4] = b"xxxx"
    path.write_bytes(data)
    lines = (tmp_path / "out/val.csv").read_text().splitlines()
    lines[0] = lines[0][:-1] + "7"
    (tmp_path / "out/val.csv").write_text("\n".join(lines[:-1]))
    result = pack(*arguments, "--verify")
    assert result.returncode == 2
    assert "3 flaws in" in result.stderr
    assert "not the bytes of" in result.stderr
    assert "the labels of list, .cls and .json differ: [0, 7]" in result.stderr
    assert "val.csv has 6 videos, but 7 were written" in result.stderr


def test_verify_finds_a_wrong_index(data_dir, tmp_path):
    arguments = [data_dir / "val.csv", "--out", tmp_path / "out"]
    pack(*arguments)
    index = tmp_path / "out/val/shard-000000.tar.index.json"
    facts = json.loads(index.read_text())
    facts["members"]["000001.mp4"][0] += 1
    facts["members"].pop("000002.cls")
    index.write_text(json.dumps(facts))
    result = pack(*arguments, "--verify")
    assert result.returncode == 2
    assert "shard-000000.tar: its headers are not what its index says" in result.stderr
    assert "1 flaws in" in result.stderr  # the videos are right, for the header before each is read


def test_one_video_larger_than_a_shard_has_its_own(data_dir, tmp_path):
    pack(data_dir / "val.csv", "--out", tmp_path / "out", "--shard-size", "1")
    assert len(list((tmp_path / "out/val").glob("*.tar"))) == 7


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ("gone.mp4 0", [], r"1 of 1 videos do not exist (gone.mp4); pass --prefix"),
        ("", [], "names no video"),
        ("a.mp4", [], "is not `path label`"),
        ("a.mp4 0", ["--shard-size", "1TB"], "'1TB' is not a size; write it as 256MB or 1GB"),
        ("a.mp4 0", ["--shard-size", "0"], "'0' is not a size"),
        ("a.mp4 0", ["--seed", "-1"], "Invalid value for '--seed'"),
        ("s3x://a.mp4 0", [], "use a protocol that fsspec knows"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, lines, options, message):
    (tmp_path / "train.csv").write_text(lines)
    result = pack(tmp_path / "train.csv", "--out", tmp_path / "out", *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_lists_must_be_csv_files_elsewhere(tmp_path):
    (tmp_path / "train.txt").write_text("a.mp4 0")
    result = pack(tmp_path / "train.txt", "--out", tmp_path / "out")
    assert "the name of a list ends in .csv; rename it" in result.stderr
    result = pack(tmp_path / "train.csv", "--out", tmp_path)
    assert result.returncode == 2
    assert "--out another folder than theirs" in result.stderr


@pytest.fixture
def make_shards():
    """Run the command in this process; returns its status."""
    return lambda *words: run([str(word) for word in words], name="shards")


def test_class_names_parts_and_hostile_names_travel_with_the_shards(tmp_path, make_shards, capsys):
    folder, out = tmp_path / "in", tmp_path / "o #1"
    folder.mkdir()
    for name in ("a, b.mp4", 'say "hi".mp4'):
        (folder / name).write_bytes(name.encode())
    (folder / "classes.txt").write_text("run\nsit\n")
    (folder / "train.csv").write_text('"a, b.mp4",1,0.5,2.0\n"say ""hi"".mp4",0\n')
    (folder / "val.csv").write_text('"a, b.mp4",1\n')
    lists = [folder / "train.csv", folder / "val.csv"]
    assert make_shards(*lists, "--out", out, "--verify") == 0
    found = read_list_file(out / "train.csv", num_classes=2)
    assert found.class_names == ("run", "sit")
    assert [found.segment(i) for i in range(2)] == [(0.5, 2.0), None]
    assert found.labels.tolist() == [1, 0]
    with sources.open_binary(found.sources[1]) as file:
        assert file.read() == b'say "hi".mp4'
    (folder / "classes.txt").write_text("run\nsit\nwalk\n")
    (folder / "test.csv").write_text('"a, b.mp4",2\n')
    assert make_shards(folder / "test.csv", "--out", out) == 2
    assert "has other class names than" in capsys.readouterr().err
    (folder / "clip").mkdir()
    (folder / "more.csv").write_text("clip 1\n")
    assert make_shards(folder / "more.csv", "--out", tmp_path / "more") == 2
    assert "clip is a folder of frames, but shards hold video files" in capsys.readouterr().err
    (out / "train/shard-000000.tar.index.json").write_text("[1]")  # is made again
    (folder / "classes.txt").write_text("run\nsit\n")
    assert make_shards(*lists, "--out", out, "--verify") == 0


def test_a_full_disk_is_named_and_leaves_no_torn_tar(tmp_path, make_shards, capsys, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"x" * 5000)
    (tmp_path / "train.csv").write_text("a.mp4 0\n")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shard_writer.tarfile.TarFile, "addfile", fail)
    assert make_shards(tmp_path / "train.csv", "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert "--out" in message
    assert "shard-000000.tar cannot be written: No space left on device" in message
    assert [path.name for path in (tmp_path / "out/train").iterdir()] == ["shards.json"]
