"""Names of models by patterns."""

import pytest

from timesformer.models.catalogue import find_names


def test_names_are_found_by_a_part_or_by_a_pattern():
    assert find_names("swin3d") == [f"torchvision/swin3d_{size}" for size in "bst"]
    assert find_names("torchvision/r*18") == ["torchvision/r2plus1d_18", "torchvision/r3d_18"]
    assert find_names("c4d") == []
    assert "timm/resnet18+lstm" in find_names("timm/resnet18")
    assert "two_stream/resnet18+conv" in find_names("two_stream/resnet18")
    assert find_names("hf/a/folder") == ["hf/a/folder"]


@pytest.mark.parametrize("pattern", ["", "resnet18", "*resnet18*"])
def test_names_of_timm_are_found_by_their_prefix_alone(pattern):
    """There are thousands, and the list builds each model."""
    assert not any(name.startswith(("timm/", "two_stream/")) for name in find_names(pattern))
