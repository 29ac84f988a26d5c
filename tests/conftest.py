"""Videos with numbered frames, tiny configurations, and the shared reference data."""

import contextlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml

from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.video import BackendError, check_torchcodec

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TIMESFORMER_SHARED", ROOT.parent / "shared"))
BITS = 9  # of a frame number

# Tests fork. Autograd decides at its first use in a process whether that is still possible, and on a
# machine without a GPU it is, unless that first use is on fake tensors, as those of the memory test.
if not torch.cuda.is_available():
    torch.ones((), requires_grad=True).backward()


def _stay_with_one_thread():
    """In a fork, which has not the threads of OpenMP of its parent, and would wait for them for ever."""
    torch.set_num_threads(1)
    torch.set_num_threads = lambda _: None


os.register_at_fork(after_in_child=_stay_with_one_thread)

VERSION = tuple(map(int, torch.__version__.split(".")[:2]))
needs_sharding = pytest.mark.skipif(VERSION < (2, 8), reason="needs PyTorch 2.8")


def pytest_runtest_setup(item):
    """Without a GPU the tests marked ``cuda`` are skipped, or fail where one is promised."""
    if "cuda" in item.keywords and not torch.cuda.is_available():
        if os.environ.get("TIMESFORMER_REQUIRE_CUDA") == "1":
            pytest.fail("TIMESFORMER_REQUIRE_CUDA is 1, but there is no NVIDIA GPU")
        pytest.skip("needs an NVIDIA GPU")


def pytest_collection_modifyitems(items):
    if any(item.get_closest_marker("torchcodec") for item in items):
        _skip_without_torchcodec(items)


def _skip_without_torchcodec(items):
    try:
        check_torchcodec()
    except BackendError as error:
        for item in items:
            if item.get_closest_marker("torchcodec"):
                item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Reports travel between processes as UTF-8, which a captured file name need not be."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


@contextlib.contextmanager
def seeded():
    """Fixed seeds of random, numpy and torch inside; outside all three go on as if nothing happened."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@pytest.fixture(autouse=True)
def _seeded():
    with seeded():
        yield


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data in {SHARED}")
    return SHARED


def numbered_frame(number, *, height=64, width=96, tint=(255, 255, 255)):
    """A frame that carries ``number`` as nine black or white bars: compression cannot hide it."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(BITS):
        if number >> bit & 1:
            image[:, bit * width // BITS : (bit + 1) * width // BITS] = tint
    return image


def frame_number(image):
    """The number that ``numbered_frame`` wrote."""
    height, width = image.shape[:2]
    row = image[height // 2].max(axis=-1)
    middles = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(int(row[x] > 100) << bit for bit, x in enumerate(middles))


def write_video(
    path, frames, *, fps=30, codec="libx264", pix_fmt="yuv420p", options=None, pts=None
):
    """Encode uint8 frames (H, W, 3); ``pts`` gives the times in 1 / fps of frames not at i / fps."""
    frames = list(frames)
    height, width = frames[0].shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.options = options or {}
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[i], 1 / Fraction(fps).limit_denominator(1001)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def numbered_video(tmp_path):
    """Make a video of numbered frames: numbered_video(60, gop=12, name="a.mp4", ...)."""

    def make(count, *, name="video.mp4", gop=12, bframes=2, height=64, width=96, **kwargs):
        codec = kwargs.get("codec", "libx264")
        options = {"g": str(gop), "bf": str(bframes)}
        if codec == "libx264":
            options |= {"sc_threshold": "0"}
        frames = [numbered_frame(i, height=height, width=width) for i in range(count)]
        return write_video(tmp_path / name, frames, options=options, **kwargs)

    return make


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """24 train, 7 val and 9 test videos of three brightness classes, in a folder with a blank."""
    folder = tmp_path_factory.mktemp("data set")
    for split, count in (("train", 24), ("val", 7), ("test", 9)):
        lines = []
        for i in range(count):
            label = i % 3
            frames = [_patch_frame(label, i, t) for t in range(20)]
            write_video(folder / "videos" / f"{split} {i}.mp4", frames, options={"g": "10"})
            lines.append(f"videos/{split} {i}.mp4 {label}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return folder


def _patch_frame(label, i, t):
    image = np.full((48, 48, 3), 40 + 60 * label + i, np.uint8)
    image[t : t + 8, t : t + 8] = 250
    return image


TINY = {
    "NUM_GPUS": 0,
    "LOG_PERIOD": 2,
    "GLOBAL_BATCH_SIZE": 8,
    "TRAIN": {"BATCH_SIZE": 4, "EVAL_PERIOD": 1, "CHECKPOINT_PERIOD": 1},
    "TEST": {"BATCH_SIZE": 12, "NUM_ENSEMBLE_VIEWS": 2},
    "DATA": {
        "NUM_FRAMES": 4,
        "SAMPLING_RATE": 4,
        "TRAIN_JITTER_SCALES": [32, 40],
        "TRAIN_CROP_SIZE": 32,
        "TEST_CROP_SIZE": 32,
    },
    "DATA_LOADER": {"NUM_WORKERS": 0},
    "MODEL": {"NUM_CLASSES": 3},
    "TIMESFORMER": {
        "PATCH_SIZE": 8,
        "EMBED_DIM": 32,
        "DEPTH": 2,
        "NUM_HEADS": 2,
        "PRETRAINED_MODEL": "none",
        "DROP_PATH_RATE": 0.0,
    },
    "SOLVER": {"BASE_LR": 0.003, "MAX_EPOCH": 2, "OPTIMIZING_METHOD": "adamw"},
}


@pytest.fixture
def tiny_yaml(tmp_path, data_dir):
    """A configuration file of a model that trains in seconds; OUTPUT_DIR is tmp_path / "out"."""
    return write_tiny_yaml(tmp_path, data_dir)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Run two processes of one machine: two_processes.run(cfg); they are forked, and stay."""
    from tests.process_pool import Processes

    processes = Processes(tmp_path_factory.mktemp("two processes"))
    yield processes
    processes.close()


def write_tiny_yaml(folder, data_dir):
    """tiny.yaml in ``folder``, with the lists of ``data_dir``."""
    tree = {section: dict(v) if isinstance(v, dict) else v for section, v in TINY.items()}
    tree["DATA"]["PATH_TO_DATA_DIR"] = str(data_dir)
    tree["OUTPUT_DIR"] = str(folder / "out")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


CLASS_NAMES = ["dark", "grey", "light"]


def payload(model, cfg_text, names=()):
    """A checkpoint as runs write it."""
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    made = {"epoch": 0, "model_state": state, "optimizer_state": {}, "cfg": cfg_text}
    return made | ({"class_names": list(names)} if names else {})


def stirred(model, std=0.2):
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return model.eval()


@pytest.fixture
def trained(tiny_yaml, tmp_path):
    """(cfg, path of a checkpoint) for overrides of the tiny configuration."""

    def make(*overrides, names=CLASS_NAMES):
        path = tmp_path / "model.pyth"
        options = [*overrides, "OUTPUT_DIR", tmp_path, "TEST.CHECKPOINT_FILE_PATH", path]
        cfg = load_config(tiny_yaml, [str(option) for option in options])
        torch.save(payload(stirred(build_model(cfg)), cfg.dump(), names), path)
        return cfg, path

    return make


def run_tool(name, *arguments, cwd=ROOT, env=None, timeout=240):
    """Run tools/``name`` as a user would; returns the finished process with its output as text."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / name), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2", **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
