"""A GPU is never waited for inside a training step, nor between the views of a test.

Without a GPU, on tensors that have shapes and the device of one but no data: whatever needs a value
on the CPU raises, and copies between CPU and GPU that wait are recorded.
"""

import warnings

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from timesformer.config import load_config
from timesformer.datasets.clips import Batch
from timesformer.engine.meters import EpochMeter
from timesformer.engine.train_state import build_train_state
from timesformer.engine.trainer import build_trainer
from timesformer.evaluation.scoring import build_scoring
from timesformer.models import build_model
from timesformer.runtime.log import Scalars

GPU = torch.device("cuda", 0)


class Waits(TorchDispatchMode):
    """Records the operations with tensors of both devices, unless these are numbers."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        used = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.ndim]
        used += [x for x in tree_leaves(made) if isinstance(x, torch.Tensor)]
        if len({x.device.type for x in used}) > 1 and not (kwargs or {}).get("non_blocking"):
            self.found.append(str(func))
        return made


@pytest.fixture
def fake():
    precision = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True):
            warnings.simplefilter("ignore")  # of autocast and the scaler, that there is no GPU
            try:
                torch.empty(2, device=GPU)[:1]
            except RuntimeError:
                pytest.skip(f"PyTorch {torch.__version__} slices tensors of a GPU only with one")
            with Waits() as waits:
                yield waits
    finally:
        torch.set_float32_matmul_precision(precision[0])
        torch.backends.cudnn.allow_tf32 = precision[1]


def model_of(cfg):
    with torch.device("meta"):
        model = build_model(cfg)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            value = torch.empty(parameter.shape, device=GPU)
            setattr(module, name, torch.nn.Parameter(value))
    return model


def clips_of(cfg, count):
    size = cfg.DATA.TRAIN_CROP_SIZE
    return torch.empty((count, 3, cfg.DATA.NUM_FRAMES, size, size), dtype=torch.uint8, device=GPU)


def test_a_wait_is_noticed(fake):
    values = torch.ones(3, device=GPU)
    torch.zeros(3).to(GPU, non_blocking=True)
    assert (values + torch.tensor(1.0)).device == GPU  # a number goes along with the kernel
    assert not fake.found
    for waiting in (
        lambda: torch.tensor([1.0, 2.0], device=GPU),
        lambda: values.cpu(),
        lambda: values[torch.tensor([0, 1])],
    ):
        waiting()
        assert len(fake.found) == 1
        fake.found.clear()
    for waiting in (lambda: values.sum().item(), lambda: values[values > 0], values.tolist):
        with pytest.raises(Exception, match=r"local_scalar_dense|nonzero"):
            waiting()


@pytest.mark.parametrize(
    "options",
    [
        "SOLVER.CLIP_GRAD_NORM 1.0 TRAIN.EMA_DECAY 0.9",
        "TRAIN.PRECISION fp16 SOLVER.OPTIMIZING_METHOD adam",
        "MIXUP.ENABLED True",
        "MODEL.LOSS_FUNC bce_logit TRAIN.ACTIVATION_CHECKPOINT 1",
        "SOLVER.LABEL_SMOOTHING 0.1 TIMESFORMER.ATTENTION_TYPE joint_space_time",
    ],
)
def test_no_step_waits_for_the_gpu(tiny_yaml, fake, options):
    cfg = load_config(tiny_yaml, ["NUM_GPUS", "1", *options.split()])
    model = model_of(cfg)
    state = build_train_state(cfg, model, GPU)
    device = GPU if torch.cuda.is_available() else torch.device("cpu")
    step = build_trainer(cfg, model, state, device, Scalars()).step
    step.micro_batches.steps_on_trial = 0  # which copies gradients, and asks the others

    def backward(loss):  # autograd has no threads for a GPU that is not there
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)

    state.precision.backward = backward
    step.prefetch = lambda batch: batch  # made on the GPU
    meter = EpochMeter(0, 4, Scalars(), log_period=100, num_epochs=1)
    labels = torch.empty(4, dtype=torch.int64, device=GPU)
    batch = Batch(clips_of(cfg, 4), labels, torch.empty(4), (), torch.empty(0))
    fake.found.clear()
    results = [step.accumulate(batch, 2, is_last=is_last) for is_last in (False, True)]
    meter.update(results[1], 0.1, (), step.update([result.loss for result in results]))
    assert results[1].logits.device == results[1].loss.device == GPU
    assert not fake.found


def test_views_are_scored_without_waiting(tiny_yaml, fake):
    cfg = load_config(tiny_yaml)
    model, scoring = model_of(cfg).eval(), build_scoring(cfg, GPU)
    clips = clips_of(cfg, 2 * scoring.num_views)
    fake.found.clear()
    with torch.inference_mode():
        scores = scoring.score(model, clips)
    assert scores.device == GPU
    assert scores.shape == (2, cfg.MODEL.NUM_CLASSES)
    assert not fake.found
