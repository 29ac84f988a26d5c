"""What a fold on disk says of itself."""

import json

from timesformer.engine.shootout.fold_run import is_finished, read_fold


def test_a_fold_whose_scores_are_not_finite_has_a_reason_in_place_of_costs(tmp_path):
    assert not is_finished(tmp_path)
    found = {"scored": 5, "videos": 7, "seconds": 2.0, "nonfinite": 2}
    (tmp_path / "test_results.json").write_text(json.dumps(found))
    assert is_finished(tmp_path)
    assert read_fold(tmp_path) == "2 of 7 videos have scores that are not finite"
    (tmp_path / "test_results.json").write_text(json.dumps({**found, "nonfinite": 0}))
    assert read_fold(tmp_path).scored == 5
