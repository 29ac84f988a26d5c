"""The options of a run are keys of its configuration."""

from timesformer.cli.run_options import RunOptions


def test_typed_keys_win_over_options_and_last_ones_over_both(tiny_yaml):
    run = RunOptions(str(tiny_yaml), ["NUM_GPUS", "0", "RNG_SEED", "5"], out="here", gpus="1")
    cfg = run.load(
        {"RNG_SEED": 3, "SOLVER.MAX_EPOCH": 7, "LOG_PERIOD": None}, "SOLVER.MAX_EPOCH", "9"
    )
    assert (cfg.OUTPUT_DIR, cfg.NUM_GPUS, cfg.RNG_SEED, cfg.SOLVER.MAX_EPOCH) == ("here", 0, 5, 9)
