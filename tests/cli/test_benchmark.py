import json
import re

from tests.conftest import run_tool
from timesformer.cli.app import run
from timesformer.datasets import transforms
from timesformer.datasets.transforms import cut_clips
from timesformer.engine import benchmark_data
from timesformer.engine.benchmark_data import Cost, median_cost
from timesformer.video import read_video, sampling


def test_the_table_has_all_requests(tiny_yaml):
    result = run_tool("benchmark.py", "data", "--videos", "2", "--repeats", "1", "--seconds", "0.3",
                      "--json", "--cfg", tiny_yaml, "DATA.NUM_FRAMES", 4)  # fmt: skip
    assert result.returncode == 0, result.stderr
    for name in ("train clip", "1 x 3 views", "10 x 3 views"):
        assert re.search(rf"^{name} +\d+\.\d", result.stdout, re.MULTILINE), result.stdout
    assert "bottleneck of a training clip" in result.stdout
    report = json.loads(result.stdout[result.stdout.index("\n{") :])
    clip = report["costs"]["train clip"]
    assert clip["kept"] == 4
    assert clip["converted"] <= 4 <= clip["decoded"] <= 20
    assert report["costs"]["10 x 3 views"]["kept"] == 40
    assert report["costs"]["10 x 3 views"]["converted"] <= 20  # each frame of the video once
    assert set(report["clips_per_s"]) >= {"0", "1"}


def test_medians_are_over_videos():
    costs = [Cost(ours, 1, 2, 3, 4, 5, 6, 7) for ours in (1.0, 9.0, 2.0)]
    assert median_cost(costs) == Cost(2.0, 1, 2, 3, 4, 5, 6, 7)


def test_the_published_reader_gives_the_same_clip(numbered_video):
    """It is a fair measure only if it does the same work."""
    shape = sampling.ClipShape(num_frames=4, rate=3, target_fps=30)

    def select(timeline):
        return sampling.clip_indices(timeline, shape, lambda free: 2)[None]

    video = numbered_video(20)
    frames = read_video(video, select)
    pts = frames.timeline.pts[select(frames.timeline)[0]]
    published = benchmark_data._read_as_published(str(video), (int(pts[0]), int(pts[-1])), 4, 32)
    crop = transforms.Crop(32, 0, 0, 32)
    ours = cut_clips(frames, [[crop]], reverse_channels=False)
    ours = transforms.normalize(ours, (0.45,) * 3, (0.225,) * 3)[0]
    assert (ours - published).abs().max() < 1.01 / 255 / 0.225


def test_a_list_without_a_readable_video_is_named(tiny_yaml, tmp_path, capsys):
    def measure(folder):
        command = ["data", "--cfg", str(tiny_yaml), "DATA.PATH_TO_DATA_DIR", str(folder)]
        return run(command, name="benchmark"), capsys.readouterr().err

    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.mp4").write_text("no video")
    (tmp_path / "broken/train.csv").write_text("a.mp4 0\n")
    status, error = measure(tmp_path / "broken")
    assert status == 2
    assert "can be measured" in error
    status, error = measure(tmp_path)
    assert status == 2
    assert "train.csv does not exist" in error
