"""Several protocols of one test, from one decode of each video: other views, another ensemble.

The first is the one that the keys say, with no name; those of TEST.PROTOCOLS follow. Clips that several
protocols have are cut once, and computed once where they have the same forward batch.

rows of a video  (P * V, K)  the views of each protocol, one protocol after the other
scores           (N, P, K)   ensembled
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from timesformer.config import CfgNode, changed
from timesformer.config.protocols import PROTOCOLS
from timesformer.datasets.build import build_view
from timesformer.datasets.views import Views
from timesformer.evaluation import metrics
from timesformer.evaluation.loop import Scores
from timesformer.evaluation.scoring import Scoring, build_ensemble_method


@dataclass(frozen=True)
class Protocol:
    """Where the views lie, and how they become one score."""

    name: str  # of ``PROTOCOLS``, which its files carry; "": the configured one
    placement: str
    method: str  # see ``metrics.ensemble``
    text: str  # all of it in words


def build_protocols(cfg: CfgNode) -> tuple[Protocol, ...]:
    """The configured protocol, then the published ones that are tested too."""
    values = {name: PROTOCOLS[name] for name in cfg.TEST.PROTOCOLS}
    return tuple(build_protocol(name, changed(cfg, values.get(name, {}))) for name in ("", *values))


def build_protocol(name: str, cfg: CfgNode) -> Protocol:
    """That of the keys of ``cfg``, under a name."""
    test = cfg.TEST
    text = (
        f"{test.NUM_ENSEMBLE_VIEWS} temporal views ({test.VIEW_PLACEMENT}) x "
        f"{test.NUM_SPATIAL_CROPS} crops of {cfg.DATA.TEST_CROP_SIZE}, "
        f"ensembled by {cfg.DATA.ENSEMBLE_METHOD}, {test.PRECISION}"
    )
    return Protocol(name, test.VIEW_PLACEMENT, build_ensemble_method(cfg), text)


def build_shared_view(cfg: CfgNode, protocols: Sequence[Protocol]) -> Views:
    """The clips of all protocols, each once."""
    view = build_view(cfg, "test")
    assert isinstance(view, Views)
    placements = dict.fromkeys(protocol.placement for protocol in protocols)
    return replace(view, others=tuple(placements)[1:])


def score_all(scoring: Scoring, view: Views, protocols: Sequence[Protocol]) -> Scoring:
    """``scoring`` of the clips of ``view``, whose rows are the scores of every protocol, (P, K)."""
    num_views = scoring.num_views

    def ensemble(of_video: Tensor) -> Tensor:
        parts = zip(of_video.split(num_views), protocols, strict=True)
        found = [metrics.ensemble(views, num_views, each.method) for views, each in parts]
        return torch.stack(found, dim=1)

    orders = tuple(view.orders[protocol.placement] for protocol in protocols)
    return replace(scoring, ensemble=ensemble, orders=orders)


def scores_of(scores: Scores, view: Views, protocols: Sequence[Protocol]) -> list[Scores]:
    """``scores`` (N, P, K) as those (N, K) of each protocol, with the seconds that it looked at."""
    spans = {view.placement: scores.spans} | {
        placement: {index: of[place] for index, of in scores.other_spans.items()}
        for place, placement in enumerate(view.others)
    }
    return [
        scores._replace(values=values, spans=spans[protocol.placement], other_spans={})
        for values, protocol in zip(scores.values.unbind(dim=1), protocols, strict=True)
    ]
