"""Packages whose names are imported when they are used."""

import sys

import pytest

from timesformer.lazy import lazy_names


def test_a_name_is_imported_when_it_is_used(tmp_path, monkeypatch):
    (tmp_path / "lazy_package").mkdir()
    for name, text in {"__init__": "", "one": "value = 7", "two": "raise SystemExit"}.items():
        (tmp_path / f"lazy_package/{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    find = lazy_names("lazy_package", {"value": "one", "other": "two"})
    assert "lazy_package.one" not in sys.modules
    assert find("value") == 7
    with pytest.raises(AttributeError, match="module 'lazy_package' has no attribute 'gone'"):
        find("gone")
