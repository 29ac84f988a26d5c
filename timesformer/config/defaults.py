"""Every configuration key: what it means, its unit, its choices, its default.

Those about training stand in ``training_defaults.py``, those about data in ``data_defaults.py``.

Names, defaults and meanings are those of the published code wherever it had the key. A key marked
(ours) did not exist there. Published keys that had no effect are listed in ``ignored.py``.
"""

from fvcore.common.config import CfgNode

from timesformer.config.data_defaults import data_defaults
from timesformer.config.training_defaults import training_defaults


def defaults() -> CfgNode:
    """A fresh configuration tree with the default of every key."""
    cfg = CfgNode()
    _run(cfg)
    _distributed(cfg)
    _model(cfg)
    _tensorboard(cfg)
    training_defaults(cfg)
    data_defaults(cfg)
    return cfg


def _run(cfg: CfgNode) -> None:
    # Where checkpoints, logs and results go.
    cfg.OUTPUT_DIR = "./tmp"
    # GPUs to use on this machine; 0 trains and tests on the CPU.
    cfg.NUM_GPUS = 1
    # Machines that train together, and which of them this one is. Under torchrun both follow from it.
    cfg.NUM_SHARDS = 1
    cfg.SHARD_ID = 0
    # Seed of everything random. Draws depend on (seed, epoch, clip), never on workers or ranks.
    cfg.RNG_SEED = 1
    # Steps between two log lines.
    cfg.LOG_PERIOD = 10
    # Log the parameter and multiply-add counts of the model before the run.
    cfg.LOG_MODEL_INFO = False
    # Clips per optimizer step. Smaller batches accumulate: GLOBAL_BATCH_SIZE // online batch of them.
    cfg.GLOBAL_BATCH_SIZE = 64


def _distributed(cfg: CfgNode) -> None:
    # Backend of torch.distributed on GPUs; processes on a CPU always use gloo.
    cfg.DIST_BACKEND = "nccl"
    # (ours) How processes work together.
    cfg.DIST = CfgNode()
    # ddp: every process has the whole model. fsdp: a part of each parameter, gradient and optimizer
    # state (FSDP2, sharded by block), for models whose states fill the memory of a GPU.
    cfg.DIST.STRATEGY = "ddp"
    # With fsdp, each process writes its own part of a checkpoint, into a folder
    # checkpoint_epoch_00005.dcp that all machines must share: nothing is gathered, but training waits
    # until it is written. The best one stays a file, checkpoint_best.pyth, gathered.
    cfg.DIST.SHARDED_CHECKPOINTS = False
    # Processes of this machine when NUM_GPUS is 0. (On GPUs, and under torchrun: one for each GPU.)
    cfg.DIST.CPU_PROCESSES = 1
    # Seconds within which all processes must come, and each exchange between them must end. (The
    # checks before a run have no limit.)
    cfg.DIST.TIMEOUT = 600.0


def _model(cfg: CfgNode) -> None:
    cfg.MODEL = CfgNode()
    # Family of the model: vit. (Published default: slowfast, which never could be built.)
    cfg.MODEL.ARCH = "vit"
    # vit_base_patch16_224 or TimeSformer; both mean the model of the TIMESFORMER section.
    cfg.MODEL.MODEL_NAME = "vit_base_patch16_224"
    # Classes of the data set; labels are 0 .. NUM_CLASSES - 1.
    cfg.MODEL.NUM_CLASSES = 400
    # cross_entropy, or bce_logit (one sigmoid a class).
    cfg.MODEL.LOSS_FUNC = "cross_entropy"

    cfg.TIMESFORMER = CfgNode()
    # divided_space_time, joint_space_time, space_only, sparse_local_global or axial.
    cfg.TIMESFORMER.ATTENTION_TYPE = "divided_space_time"
    # Initial weights. "": the ImageNet ViT of this shape (through timm); timm/NAME: that ViT of timm;
    # a path: that file, or folder of Hugging Face, of any known format; none: random values. Read
    # only when a training starts and nothing else gives it weights.
    cfg.TIMESFORMER.PRETRAINED_MODEL = ""
    # (ours, as all below) Side of a patch, in pixels.
    cfg.TIMESFORMER.PATCH_SIZE = 16
    # Width of a token; number of blocks; heads of each attention; hidden width of the MLP / width.
    cfg.TIMESFORMER.EMBED_DIM = 768
    cfg.TIMESFORMER.DEPTH = 12
    cfg.TIMESFORMER.NUM_HEADS = 12
    cfg.TIMESFORMER.MLP_RATIO = 4.0
    # Epsilon of the norms; a norm before the first block too. CLIP: 1e-5 and True.
    cfg.TIMESFORMER.NORM_EPS = 1e-6
    cfg.TIMESFORMER.PRE_NORM = False
    # Time embeddings of another number of frames are resized nearest, as published, or linear.
    cfg.TIMESFORMER.TIME_EMBED_RESIZE = "nearest"
    # Dropout of tokens and projections; of attention weights. Published: 0.
    cfg.TIMESFORMER.DROP_RATE = 0.0
    cfg.TIMESFORMER.ATTN_DROP_RATE = 0.0
    # Stochastic depth of the last block; the rate grows linearly from 0 in the first.
    cfg.TIMESFORMER.DROP_PATH_RATE = 0.1
    # Standard deviations of initial values: linear weights of the blocks, position embedding, time
    # embedding. The published ones suit a pretrained start; see configs/Motion for one from scratch.
    cfg.TIMESFORMER.LINEAR_STD = 0.02
    cfg.TIMESFORMER.POS_EMBED_STD = 0.02
    cfg.TIMESFORMER.TIME_EMBED_STD = 0.0


def _tensorboard(cfg: CfgNode) -> None:
    cfg.TENSORBOARD = CfgNode()
    # Write event files to OUTPUT_DIR/LOG_DIR; empty: OUTPUT_DIR/runs-<TRAIN.DATASET>.
    cfg.TENSORBOARD.ENABLE = False
    cfg.TENSORBOARD.LOG_DIR = ""
    # JSON {class name: id}, and JSON {category: [class names]}, for the figures below.
    cfg.TENSORBOARD.CLASS_NAMES_PATH = ""
    cfg.TENSORBOARD.CATEGORIES_PATH = ""
    # Confusion matrix of every validation, of a subset of classes (text, a name a line) too.
    cfg.TENSORBOARD.CONFUSION_MATRIX = CfgNode()
    cfg.TENSORBOARD.CONFUSION_MATRIX.ENABLE = False
    cfg.TENSORBOARD.CONFUSION_MATRIX.FIGSIZE = [8, 8]
    cfg.TENSORBOARD.CONFUSION_MATRIX.SUBSET_PATH = ""
    # The TOPK most frequent predictions for each class (of a subset).
    cfg.TENSORBOARD.HISTOGRAM = CfgNode()
    cfg.TENSORBOARD.HISTOGRAM.ENABLE = False
    cfg.TENSORBOARD.HISTOGRAM.SUBSET_PATH = ""
    cfg.TENSORBOARD.HISTOGRAM.TOPK = 10
    cfg.TENSORBOARD.HISTOGRAM.FIGSIZE = [8, 8]
