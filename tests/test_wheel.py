"""The package as pip installs it: the command, the recipes and the names of classes are in it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what a wheel of the repository installs."""
    pytest.importorskip("setuptools", minversion="68")
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "target"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("timesformer", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip(source, "wheel", "--no-build-isolation", "--wheel-dir", folder, ".")
    pip(folder, "install", "--target", target, *folder.glob("*.whl"))
    return target


def pip(folder, *words):
    words = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *map(str, words)]
    subprocess.run([*words, "--no-deps"], cwd=folder, check=True)


def timesformer(installed, folder, *words):
    """A command of the installed package, in an empty folder."""
    env = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, installed / "bin/timesformer", *map(str, words)],
                          cwd=folder, env=env, capture_output=True, text=True, check=False)  # fmt: skip


def test_recipes_are_found_by_name_and_with_what_they_are_based_on(installed, tmp_path):
    done = timesformer(installed, tmp_path, "train", "--cfg", "Motion/spaceOnly_6x6_32")
    assert done.returncode == 2
    assert "list data/motion/train.csv does not exist" in done.stderr
    done = timesformer(installed, tmp_path, "train", "--cfg", "Motion/spaceOnly")
    assert "did you mean Motion/spaceOnly_6x6_32" in done.stderr


def test_class_names_keys_and_pages_are_in_it(installed, tmp_path):
    code = (
        "import timesformer, timesformer.datasets.class_names as c; print(c.class_names('ssv2')[0]); "
        "print(timesformer.__file__)"
    )
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout.startswith("Approaching something with your camera\n"), done.stderr
    assert str(installed) in done.stdout
    assert timesformer(installed, tmp_path, "keys", "NUM_GPUS").stdout.startswith("NUM_GPUS  1  ")
    assert (installed / "timesformer/visualize/templates/base.html").is_file()


def test_a_data_set_is_made_and_trained_on_from_an_empty_folder(installed, tmp_path):
    made = timesformer(
        installed, tmp_path, "make-motion-dataset", "--train", 32, "--val", 4, "--test", 4
    )
    assert made.returncode == 0, made.stderr
    done = timesformer(installed, tmp_path, "train", "--cfg", "Motion/divST_6x6_32",
                       "SOLVER.MAX_EPOCH", 1, "DATA_LOADER.NUM_WORKERS", 0)  # fmt: skip
    assert done.returncode == 0, done.stderr
    weights = tmp_path / "output/Motion/divST_6x6_32/checkpoints/checkpoint_epoch_00001.pyth"
    done = timesformer(
        installed, tmp_path, "predict", "data/motion/test", "--weights", weights, "--csv"
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 4
