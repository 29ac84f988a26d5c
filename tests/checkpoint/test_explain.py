import pytest

from timesformer.checkpoint.explain import explain


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1",
            "a pointer of Git LFS: fetch the file itself",
        ),
        (b" <!DOCTYPE html><p>404", "a web page: download the file again"),
        (
            b"PK",
            "(2 bytes, ValueError: torn); it is truncated or not a PyTorch file: copy it again",
        ),
    ],
)
def test_what_a_file_is_instead_of_weights(tmp_path, content, said):
    path = tmp_path / "file.pyth"
    path.write_bytes(content)
    assert said in explain(path, ValueError("torn"))


def test_a_folder_is_to_be_copied_again(tmp_path):
    assert "it is not whole: copy the folder again" in explain(tmp_path, ValueError("torn"))
