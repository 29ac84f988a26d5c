"""Some pictures a second, small enough for a page."""

import cv2
import numpy as np
import pytest

from timesformer.detection.online import pictures
from timesformer.detection.online.pictures import Pictures


@pytest.mark.parametrize(("size", "expected"), [((1080, 1920), (360, 640)), ((64, 96), (64, 96))])
def test_pictures_are_small_and_few(monkeypatch, size, expected):
    now, shown = [0.0], []
    monkeypatch.setattr(pictures.time, "monotonic", lambda: now[0])
    take = Pictures(shown.append)
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = 200
    for i in range(60):
        now[0] = 100 + i / 30
        take(image)
    assert 9 <= len(shown) <= 11
    found = cv2.imdecode(np.frombuffer(shown[0], np.uint8), cv2.IMREAD_COLOR)
    assert found.shape[:2] == expected
    assert np.abs(found[..., ::-1].astype(int) - (200, 0, 0)).max() < 12  # RGB
