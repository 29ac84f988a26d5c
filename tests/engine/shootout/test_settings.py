"""A folder belongs to one list and one set of folds."""

import pytest

from timesformer.engine.shootout.settings import CALLED, SettingsError, digest_of, keep_settings


def test_the_same_settings_resume_and_others_are_named(tmp_path):
    settings = {**dict.fromkeys(CALLED, "x"), "folds": 3, "keys": ["NUM_GPUS", "0"]}
    keep_settings(tmp_path, settings)
    keep_settings(tmp_path, settings)
    with pytest.raises(SettingsError, match=r"other settings \(--folds, configuration keys\)"):
        keep_settings(tmp_path, settings | {"folds": 5, "keys": []})
    keep_settings(tmp_path, settings | {"budget": "y"})
    (tmp_path / "m/fold-1").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"other settings \(--budget\)"):
        keep_settings(tmp_path, settings)
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(SettingsError, match="settings that cannot be read"):
        keep_settings(tmp_path, settings)
    assert digest_of(["a 0"]) != digest_of(["a 1"])
