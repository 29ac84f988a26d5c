"""Names of models by patterns."""

from timesformer.models.catalogue import find_names


def test_names_are_found_by_a_part_or_by_a_pattern():
    assert find_names("swin3d") == [f"torchvision/swin3d_{size}" for size in "bst"]
    assert find_names("torchvision/r*18") == ["torchvision/r2plus1d_18", "torchvision/r3d_18"]
    assert find_names("c4d") == []
    assert not any(name.startswith("timm/") for name in find_names())
    assert "timm/resnet18+lstm" in find_names("timm/resnet18")
    assert find_names("hf/a/folder") == ["hf/a/folder"]
