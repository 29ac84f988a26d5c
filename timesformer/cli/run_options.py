"""The options of a run; most are keys of its configuration."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesformer.cli.options import GPUS, OUT, WORKERS, Cfg, Keys, option_pairs

if TYPE_CHECKING:
    from timesformer.config import CfgNode


def _key(key: str, *spellings: str) -> Any:
    return typer.Option(*spellings, metavar="VALUE", help=f"The key {key}.")


@dataclass(frozen=True)
class RunOptions:
    """Which configuration runs, where, and on what."""

    cfg: Cfg
    keys: Keys
    out: Annotated[str | None, _key("OUTPUT_DIR", *OUT)] = None
    workers: Annotated[str | None, _key("DATA_LOADER.NUM_WORKERS", *WORKERS)] = None
    gpus: Annotated[str | None, _key("NUM_GPUS", *GPUS)] = None
    num_shards: Annotated[
        int | None, typer.Option("--num_shards", help="Machines that run together.")
    ] = None
    shard_id: Annotated[
        int | None, typer.Option("--shard_id", help="Which of them this is, from 0.")
    ] = None
    init_method: Annotated[
        str, typer.Option("--init_method", metavar="URL", help="tcp://host:port of the first one.")
    ] = "tcp://localhost:9999"
    limit_val_batches: Annotated[
        str | None,
        typer.Option(metavar="N", help="Batches of an evaluation: a number, or a share below 1."),
    ] = None

    def load(self, more: dict[str, object], *last: str) -> "CfgNode":
        """The configuration; what is typed as keys wins over options, and ``last`` over both."""
        from timesformer.config import load_config

        options = {
            "OUTPUT_DIR": self.out,
            "DATA_LOADER.NUM_WORKERS": self.workers,
            "NUM_GPUS": self.gpus,
            "NUM_SHARDS": self.num_shards,
            "SHARD_ID": self.shard_id,
            "DATA.LIMIT_VAL_BATCHES": self.limit_val_batches,
        }
        return load_config(self.cfg, [*option_pairs(options | more), *self.keys, *last])
