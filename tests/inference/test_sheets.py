"""The sheet of a prediction shows the views that the model saw."""

import cv2
import torch

from timesformer import Predictor
from timesformer.inference.predictor import build_batches
from timesformer.inference.sheets import build_prediction_sheet, write_sheet
from timesformer.inference.videos import listed_videos


def test_the_sheet_has_a_row_for_every_view_that_the_model_saw(trained, data_dir, tmp_path):
    _, path = trained("DATA.REVERSE_INPUT_CHANNEL", "True")
    predictor = Predictor.from_checkpoint(path)
    (found,) = predictor.predict(data_dir / "videos/test 0.mp4")
    sheet = build_prediction_sheet(predictor.cfg, found)
    write_sheet(sheet, tmp_path / "sheet.png", option="--out")
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    assert sheet.title.startswith(f"test 0.mp4\n{found.top(1)[0].name} ")
    assert len(sheet.rows) == 6
    videos = listed_videos(found.video)
    batch = next(iter(build_batches(predictor.cfg, videos, predictor.device, 1)))
    shown = [torch.from_numpy(row.clip).permute(3, 0, 1, 2).flip(0) for row in sheet.rows]
    assert torch.equal(torch.stack(shown), batch.clips)
