"""The published protocols of a test, as values of keys: where clips lie, and how they are ensembled."""

from collections.abc import Iterator

from yacs.config import CfgNode

PROTOCOLS = {  # TEST.PROTOCOLS -> values
    "paper": {"TEST.VIEW_PLACEMENT": "paper", "DATA.ENSEMBLE_METHOD": "softmax"},
    "official": {"TEST.VIEW_PLACEMENT": "official", "DATA.ENSEMBLE_METHOD": "sum"},
}


def protocol_problems(cfg: CfgNode) -> Iterator[str]:
    """What is wrong with TEST.PROTOCOLS."""
    named = list(cfg.TEST.PROTOCOLS)
    choices = ", ".join(PROTOCOLS)
    for name in dict.fromkeys(named):
        if name not in PROTOCOLS:
            yield f"TEST.PROTOCOLS names {name!r}; choose among {choices}"
        elif named.count(name) > 1:
            yield f"TEST.PROTOCOLS names {name!r} {named.count(name)} times; name it once"
