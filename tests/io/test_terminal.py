import pytest

from timesformer.errors import InputError
from timesformer.io.terminal import first_line, printable, without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("übung 手.mp4", "übung 手.mp4"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("turned\u202eback\u2028", "turned\\u202eback\\u2028"),
        ("not UTF-8 \udcff", "not UTF-8 \\udcff"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown
    printable(text).encode()


@pytest.mark.parametrize(
    ("text", "shown"), [("\n a\x1b[2J\nb", "a\\x1b[2J"), ("a" * 999 + "\nb", "a" * 200), ("", "")]
)
def test_of_a_long_message_the_beginning_is_shown(text, shown):
    assert first_line(ValueError(text)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:secret@camera:554/1?a=b@c", "rtsp://camera:554/1?a=b@c"),
        ("rtsp://me:p@ss@camera: refused", "rtsp://camera: refused"),
        ("http://camera?to=me@home and http://a:b@c", "http://camera?to=me@home and http://c"),
        ("films/me@home.mp4", "films/me@home.mp4"),
    ],
)
def test_addresses_are_shown_without_passwords(text, shown):
    assert without_password(text) == shown


def test_every_error_of_input_has_one_base():
    from timesformer.checkpoint.files import CheckpointError
    from timesformer.config import ConfigError
    from timesformer.datasets.list_text import ListError
    from timesformer.video import VideoError
    from timesformer.video.remote import SourceError

    for kind in (ConfigError, ListError, VideoError, SourceError, CheckpointError):
        assert issubclass(kind, InputError)
