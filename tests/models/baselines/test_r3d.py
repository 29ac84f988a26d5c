"""R3D-18 against torchvision's own."""

import torch
from torchvision.models.video import r3d_18

from timesformer.models.baselines.r3d import R3D18


def test_names_and_logits_are_those_of_torchvision():
    theirs = r3d_18(num_classes=5).eval()
    ours = R3D18(num_classes=5, num_frames=4, img_size=32).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(2, 3, 4, 32, 32)
    assert torch.allclose(ours(clip), theirs(clip), atol=1e-5)
