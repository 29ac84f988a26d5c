"""What a run took, of its sessions."""

import pytest

from tests.evaluation.report.made import TRAINED, write_run
from timesformer.evaluation.run_costs import RunCosts, read_costs, training_seconds

TESTED = {"wall_seconds": 30.0, "clips_per_second": None, "tasks": ["train", "test"],
          "peak_ram_gib": 2.5}  # fmt: skip


@pytest.mark.parametrize(
    ("sessions", "seconds"),
    [
        ([TRAINED], 98),  # less the test
        ([TRAINED, TESTED], 98),  # tested again
        ([TRAINED, TRAINED], 198),  # resumed
        ([{**TRAINED, "tasks": ["train"]}, TESTED], 100),  # tested by itself
        ([TESTED], 28),  # a probe, which has no speed
        ([], 0),
    ],
)
def test_training_time_is_that_of_the_sessions_that_trained(sessions, seconds):
    assert training_seconds(sessions, 2.0) == seconds


def test_memory_is_the_highest_of_all_sessions(tmp_path):
    write_run(tmp_path, "Motion/divST_6x6_32", sessions=[TRAINED, TESTED])
    assert read_costs(tmp_path) == RunCosts(60, 2.0, 98.0, 2.5, None)
    (tmp_path / "run.json").unlink()
    assert read_costs(tmp_path) == RunCosts(60, 2.0, 0.0, None, None)
