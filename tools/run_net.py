"""Train, fine-tune and test: python tools/run_net.py --cfg FILE KEY VALUE KEY VALUE ..."""

import argparse
import logging
import sys


def main() -> int:
    """Run what the configuration says; returns the exit status, 2 for input that cannot be used."""
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from timesformer.config import ConfigError, load_config

    try:
        cfg = load_config(arguments.cfg, [*shard_overrides(arguments), *arguments.opts])
    except ConfigError as error:
        return complain(error)
    logging.getLogger().handlers.clear()
    from timesformer.engine.launch import INPUT_ERRORS, launch

    try:
        launch(cfg, init_method=arguments.init_method)
    except INPUT_ERRORS as error:
        return complain(error)
    return 0


def parse_arguments() -> argparse.Namespace:
    """The published arguments, with their names and defaults."""
    parser = argparse.ArgumentParser(description=__doc__)
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
        "opts",
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="config keys to override, after all options, as NUM_GPUS 0 TRAIN.BATCH_SIZE 8",
    )
    return parser.parse_args()


def shard_overrides(arguments: argparse.Namespace) -> list[str]:
    """The shard options as config keys; options that were not given change nothing."""
    keys = {"NUM_SHARDS": arguments.num_shards, "SHARD_ID": arguments.shard_id}
    return [text for key, value in keys.items() if value is not None for text in (key, str(value))]


def complain(error: Exception) -> int:
    """Print what is wrong with the input, and no traceback."""
    print(f"run_net.py: error: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
