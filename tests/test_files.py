import ast
import errno
import os
import re
import shutil
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError

from tests.conftest import ROOT
from timesformer.errors import InputError
from timesformer.files import WriteError, atomic_path, temporary_path, write_atomically, write_error


def write_and_fail(path, error, **kwargs):
    with write_atomically(path, **kwargs) as file:
        file.write("new")
        raise error


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with write_atomically(path) as file:
        file.write("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with pytest.raises(KeyError):
        write_and_fail(path, KeyError())
    assert path.read_text() == "one"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_full_disk_is_named_with_the_file_and_its_option(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(WriteError, match=r"--out .*a\.bin cannot .*: No space.*MiB.*make room"):
        write_and_fail(path, full, option="--out")
    assert path.read_bytes() == b"old"
    assert not temporary_path(path).exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    message = r"file/a\.txt cannot be written: .*choose a place"
    with (
        pytest.raises(InputError, match=message),
        write_atomically(tmp_path / "file" / "a.txt"),
    ):
        pass


def test_a_link_stays_and_a_device_is_written_directly(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with write_atomically(link) as file:
        file.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    with write_atomically(os.devnull) as file:
        file.write("gone")


def half_written(path, error):
    with atomic_path(path, option="--out") as place:
        place.write_text("half")
        raise error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:858] . unexpected pos 64 vs 0"),
    ],
)
def test_what_libraries_say_of_a_full_disk_is_understood(tmp_path, monkeypatch, error):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    (tmp_path / "a").write_text("old")
    with pytest.raises(WriteError, match=r"--out .*a cannot .*: No space .*0 MiB.*make room"):
        half_written(tmp_path / "a", error)
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_errors_that_are_not_of_writing_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), atomic_path(tmp_path / "a"):
        raise RuntimeError("shapes differ")
    assert not os.listdir(tmp_path)


def test_names_with_control_characters_are_escaped():
    error = write_error("a\x1b[31m\n", OSError(errno.EACCES, "Permission denied"))
    assert "a\\x1b[31m\\n cannot be written" in str(error)


def literals(tree):
    """Texts of a module, but for its docstrings."""
    said = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said.add(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said:
            yield node.value


NAMES = r"config\.yaml|stdout\.log|metrics\.csv|run\.json|test_(results|predictions|classes)\."
NAMES += r"|checkpoint_(best|epoch)|^checkpoints$|earlier-"


def test_the_files_of_a_run_have_their_names_in_one_place():
    for path in (ROOT / "timesformer").rglob("*.py"):
        if path.name != "files.py" and not {"config", "cli"} & {
            *path.parts
        }:  # whose texts are help
            found = [
                text for text in literals(ast.parse(path.read_text())) if re.search(NAMES, text)
            ]
            assert not found, f"{path}: {found}"


def test_no_other_place_renames_what_it_has_written():
    renames = re.compile(r"os\.(replace|rename)\(|\.rename\(|shutil\.move|partial\.replace|\.tmp\b")
    places = [p for p in (ROOT / "timesformer").rglob("*.py") if renames.search(p.read_text())]
    names = {str(path.relative_to(ROOT / "timesformer")) for path in places}
    assert names == {"files.py", "checkpoint/save.py", "checkpoint/sharded.py"}


def test_a_name_that_links_elsewhere_may_be_replaced_itself(tmp_path):
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_text("other")
    link.symlink_to(other)
    with atomic_path(link, follow_links=False) as temporary:
        temporary.write_text("new")
    assert (link.read_text(), link.is_symlink(), other.read_text()) == ("new", False, "other")


def test_an_error_of_another_file_is_no_error_of_writing(tmp_path):
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "video"))
    with pytest.raises(FileNotFoundError, match="video"):
        write_and_fail(tmp_path / "a.tar", missing)
