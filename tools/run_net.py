"""Train, fine-tune and test: python tools/run_net.py --cfg FILE KEY VALUE KEY VALUE ..."""

import argparse
import logging

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.runtime.command import command, leave


@command("run_net.py")
def main() -> int:
    """Run what the configuration says; returns the exit status, 2 for input that cannot be used."""
    arguments = parse_arguments()
    from timesformer.config import load_config
    from timesformer.config.presets import overfit
    from timesformer.runtime.local_rank import is_local_rank_zero, is_main
    from timesformer.runtime.run_lock import emptied

    if not is_local_rank_zero():
        logging.getLogger().setLevel(logging.ERROR)
    cfg = load_config(arguments.cfg, [*option_overrides(arguments), *arguments.opts])
    if arguments.overfit:
        cfg = overfit(cfg, arguments.overfit)
        if is_main(cfg.SHARD_ID):
            emptied(cfg.OUTPUT_DIR, names={"checkpoints"})
    from timesformer.engine.dry_run import dry_run
    from timesformer.engine.profiler import profile_run
    from timesformer.engine.run import launch_run

    if arguments.dry_run:
        if said := dry_run(cfg, init_method=arguments.init_method):  # one process says it
            print(said)
    elif arguments.profile:
        profile_run(cfg, arguments.profile, init_method=arguments.init_method)
    else:
        launch_run(cfg, init_method=arguments.init_method)
    return 0


def parse_arguments() -> argparse.Namespace:
    """The published arguments, with their names and defaults."""
    parser = Parser(description=__doc__, keys=True)
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument("--num_shards", type=int, help="machines that train together")
    parser.add_argument("--shard_id", type=int, help="which of them this is, from 0")
    parser.add_argument(
        "--init_method",
        default="tcp://localhost:9999",
        metavar="URL",
        help="tcp://host:port of the first machine (default: %(default)s)",
    )
    parser.add_argument(
        "--max-time",
        type=minutes,
        metavar="TIME",
        help="HH:MM:SS or minutes, after which the run saves and ends, to go on by the same command",
    )
    parser.add_argument(
        "--override",
        action="store_const",
        const=True,
        help="resume although the configuration or the lists differ from those of the checkpoint",
    )
    trials = parser.add_argument_group("trials")
    trials.add_argument(
        "--dry-run",
        action="store_true",
        help="build everything, two steps, a batch of each evaluation, a checkpoint written and read "
        "back, in OUTPUT_DIR/dry-run; then say what the whole run needs",
    )
    trials.add_argument(
        "--overfit",
        type=count,
        metavar="N",
        help="train on N batches again and again, without augmentation and drops, and validate on "
        "the same, in OUTPUT_DIR/overfit: the loss has to go to zero",
    )
    trials.add_argument(
        "--profile",
        type=count,
        metavar="N",
        help="N steps under PyTorch's profiler, in OUTPUT_DIR/profile: a table of where the time goes, "
        "and a trace for chrome://tracing or Perfetto",
    )
    for name, of in (("train", "an epoch"), ("val", "a validation and of the test")):
        trials.add_argument(
            f"--limit-{name}-batches", metavar="N", help=f"of {of}: a number, or a share below 1"
        )
    for names, dest, meaning in (
        (SPELLINGS["out"], "out", "OUTPUT_DIR"),
        (SPELLINGS["workers"], "workers", "DATA_LOADER.NUM_WORKERS"),
        (("--seed",), "seed", "RNG_SEED"),
        (SPELLINGS["gpus"], "gpus", "NUM_GPUS"),
    ):
        parser.add_argument(*names, dest=dest, metavar=meaning, help=f"the key {meaning}")
    arguments = parser.parse_args()
    if arguments.dry_run and arguments.profile:
        parser.error("--profile and --dry-run are two trials; ask for one of them")
    return arguments


def count(text: str) -> int:
    """A number of 1 or more, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def minutes(text: str) -> float:
    """A time above 0, for argparse: ``HH:MM:SS``, or minutes."""
    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or not 0 < sum(values) < float("inf") or min(values) < 0:
        raise argparse.ArgumentTypeError(f"{text} is no time; write HH:MM:SS or minutes")
    if len(values) == 1:
        return values[0]
    return values[0] * 60 + values[1] + values[2] / 60


def option_overrides(arguments: argparse.Namespace) -> list[str]:
    """The options that are config keys; those that were not given change nothing."""
    keys = {
        "OUTPUT_DIR": arguments.out,
        "DATA_LOADER.NUM_WORKERS": arguments.workers,
        "RNG_SEED": arguments.seed,
        "NUM_GPUS": arguments.gpus,
        "NUM_SHARDS": arguments.num_shards,
        "SHARD_ID": arguments.shard_id,
        "TRAIN.MAX_MINUTES": arguments.max_time,
        "TRAIN.RESUME_ANYWAY": arguments.override,
        "DATA.LIMIT_TRAIN_BATCHES": arguments.limit_train_batches,
        "DATA.LIMIT_VAL_BATCHES": arguments.limit_val_batches,
    }
    return [text for key, value in keys.items() if value is not None for text in (key, str(value))]


if __name__ == "__main__":
    leave(main())
