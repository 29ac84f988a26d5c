import pytest
import torch
from torch.nn import functional as F

from timesformer.config import load_config
from timesformer.engine.losses import MIXUP_LABEL_SMOOTHING, build_loss, build_mixup
from timesformer.engine.trainer import seed_step
from timesformer.runtime import collectives


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def test_bce_of_labels_is_one_sigmoid_a_class(config):
    loss = build_loss(config("MODEL.LOSS_FUNC", "bce_logit"))
    logits, labels = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    expected = F.binary_cross_entropy(logits.sigmoid(), F.one_hot(labels, 3).float())
    assert loss(logits, labels) == pytest.approx(expected.item(), rel=1e-5)


def test_without_mixup_nothing_changes(config):
    clips, labels = torch.randn(2, 3, 2, 4, 4), torch.tensor([0, 1])
    mixed, targets = build_mixup(config())(clips, labels)
    assert mixed is clips
    assert targets is labels


def solid(n=8, frames=3, side=32):
    """Clips of one value each, equal to their label."""
    labels = torch.arange(n) % 3
    return labels.view(n, 1, 1, 1, 1).expand(n, 3, frames, side, side).float().clone(), labels


def test_cutmix_cuts_height_and_width_through_all_frames(config):
    mix = build_mixup(config("MIXUP.ENABLED", 1, "MIXUP.ALPHA", 0, "MIXUP.CUTMIX_ALPHA", 1))
    for _ in range(20):
        clips, labels = solid()
        mixed, targets = mix(clips.clone(), labels)
        assert mixed.shape == clips.shape
        assert torch.equal(mixed, mixed[:, :1, :1].expand_as(mixed))  # the same in all frames
        partner = labels.flip(0)
        for i in range(len(labels)):
            if labels[i] != partner[i]:
                share = (mixed[i, 0, 0] == labels[i]).float().mean()
                smooth = MIXUP_LABEL_SMOOTHING
                expected = share * (1 - smooth) + smooth / 3
                assert targets[i, labels[i]] == pytest.approx(expected.item(), abs=1e-3)


def test_mixup_mixes_clips_and_labels_by_the_same_weight(config):
    mix = build_mixup(config("MIXUP.ENABLED", 1, "MIXUP.CUTMIX_ALPHA", 0))
    clips, labels = solid()
    mixed, targets = mix(clips.clone(), labels)
    one_hot = F.one_hot(labels, 3).float() * (1 - MIXUP_LABEL_SMOOTHING) + MIXUP_LABEL_SMOOTHING / 3
    row = next(i for i in range(8) if labels[i] != labels[7 - i])
    weight = (mixed[row].mean() - labels[7 - row]) / (labels[row] - labels[7 - row])
    expected = weight * one_hot[row] + (1 - weight) * one_hot[7 - row]
    assert torch.allclose(targets[row], expected, atol=1e-5)


def test_repeats_of_a_video_are_mixed_with_another_video(config):
    """Clips of a video stand side by side; clip i is mixed with clip B - 1 - i."""
    mix = build_mixup(config("MIXUP.ENABLED", 1, "MIXUP.CUTMIX_ALPHA", 0, "AUG.NUM_REPEATS", 2))
    videos = torch.arange(4).repeat_interleave(2)
    clips = videos.view(8, 1, 1, 1, 1).expand(8, 3, 2, 8, 8).float().clone()
    mixed, _ = mix(clips.clone(), videos % 3)
    assert (mixed != clips).flatten(1).any(dim=1).all()


def test_an_erased_box_and_a_flipped_label_go_through_mixup_as_they_are(config):
    """Erasing leaves zeros after normalising: they dilute the partner; labels arrive mapped."""
    mix = build_mixup(config("MIXUP.ENABLED", 1, "MIXUP.CUTMIX_ALPHA", 0))
    clips, labels = solid()
    clips[:, :, :, :8, :8] = 0
    mixed, targets = mix(clips.clone(), labels)
    assert torch.equal(mixed[:, :, :, :8, :8], torch.zeros_like(mixed[:, :, :, :8, :8]))
    assert torch.allclose(targets.sum(dim=1), torch.ones(8))


@pytest.mark.parametrize("name", ["MIXUP.ALPHA", "MIXUP.CUTMIX_ALPHA"])
def test_each_process_mixes_reproducibly_in_its_own_way(config, monkeypatch, name):
    only = {"MIXUP.ALPHA": 0, "MIXUP.CUTMIX_ALPHA": 0, name: 1}
    mix = build_mixup(config("MIXUP.ENABLED", 1, *(x for pair in only.items() for x in pair)))

    def mixed(rank):
        monkeypatch.setattr(collectives, "rank", lambda: rank)
        seed_step(1, 2, 3)
        clips, labels = solid()
        return mix(clips, labels)

    first, again, other = mixed(0), mixed(0), mixed(1)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_smoothed_labels_spread_their_share_over_all_classes(config):
    loss = build_loss(config("SOLVER.LABEL_SMOOTHING", 0.3))
    logits, labels = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    targets = 0.7 * F.one_hot(labels, 3) + 0.3 / 3
    expected = -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()
    assert loss(logits, labels) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("smoothing", "share"), [(0, MIXUP_LABEL_SMOOTHING), (0.3, 0.3)])
def test_mixup_smooths_once_and_by_its_own_share_unless_told(config, smoothing, share):
    cfg = config("MIXUP.ENABLED", 1, "MIXUP.PROB", 0, "SOLVER.LABEL_SMOOTHING", smoothing)
    clips, labels = solid(n=4)
    _, targets = build_mixup(cfg)(clips, labels)
    assert torch.allclose(targets, (1 - share) * F.one_hot(labels, 3) + share / 3)
    logits = torch.randn(4, 3)
    assert build_loss(cfg)(logits, targets) == F.cross_entropy(logits, targets)
