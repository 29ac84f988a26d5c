"""Every configuration key: what it means, its unit, its choices, its default.

Names, defaults and meanings are those of the published code wherever it had the key. A key marked
(ours) did not exist there. Published keys that had no effect are listed in ``ignored.py``.
"""

from fvcore.common.config import CfgNode


def defaults() -> CfgNode:
    """A fresh configuration tree with the default of every key."""
    cfg = CfgNode()
    _run(cfg)
    _train(cfg)
    _test(cfg)
    _model(cfg)
    _data(cfg)
    _augmentation(cfg)
    _mixup(cfg)
    _solver(cfg)
    _tensorboard(cfg)
    return cfg


def _run(cfg: CfgNode) -> None:
    # Where checkpoints, logs and results go.
    cfg.OUTPUT_DIR = "./tmp"
    # GPUs to use on this machine; 0 trains and tests on the CPU.
    cfg.NUM_GPUS = 1
    # Machines that train together, and which of them this one is. Under torchrun both follow from it.
    cfg.NUM_SHARDS = 1
    cfg.SHARD_ID = 0
    # Backend of torch.distributed on GPUs; processes on a CPU always use gloo.
    cfg.DIST_BACKEND = "nccl"
    # Seed of everything random. Draws depend on (seed, epoch, clip), never on workers or ranks.
    cfg.RNG_SEED = 1
    # Steps between two log lines.
    cfg.LOG_PERIOD = 10
    # Log the parameter and multiply-add counts of the model before the run.
    cfg.LOG_MODEL_INFO = False
    # Clips per optimizer step. Smaller batches accumulate: GLOBAL_BATCH_SIZE // online batch of them.
    cfg.GLOBAL_BATCH_SIZE = 64


def _train(cfg: CfgNode) -> None:
    cfg.TRAIN = CfgNode()
    # Train; the test, if TEST.ENABLE, follows.
    cfg.TRAIN.ENABLE = True
    # Data format of the train and val lists: kinetics or ssv2.
    cfg.TRAIN.DATASET = "kinetics"
    # (ours) Clips of an epoch: uniform (each video once), balanced (as many of every class), or sqrt
    # (a class in proportion to the square root of its videos). Always as many as the list has.
    cfg.TRAIN.SAMPLER = "uniform"
    # Start from the weights of CHECKPOINT_FILE_PATH at epoch 0. An interrupted fine-tuning resumes.
    cfg.TRAIN.FINETUNE = False
    # Clips per forward pass on one machine, over all its GPUs.
    cfg.TRAIN.BATCH_SIZE = 64
    # Epochs between two validations, and between two checkpoints; the last epoch has both.
    cfg.TRAIN.EVAL_PERIOD = 10
    cfg.TRAIN.CHECKPOINT_PERIOD = 10
    # Go on from the newest checkpoint in OUTPUT_DIR/checkpoints, if there is one.
    cfg.TRAIN.AUTO_RESUME = True
    # Checkpoint to start from. Without FINETUNE its optimizer state and epoch count too.
    cfg.TRAIN.CHECKPOINT_FILE_PATH = ""
    # Forget the epoch and the optimizer state of CHECKPOINT_FILE_PATH.
    cfg.TRAIN.CHECKPOINT_EPOCH_RESET = False
    # Substrings to cut out of the parameter names of CHECKPOINT_FILE_PATH.
    cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN = ()
    # (ours) Arithmetic of forward and backward: fp32, or bf16 (autocast; parameters stay fp32).
    cfg.TRAIN.PRECISION = "fp32"
    # (ours) Validate as published, on random clips and crops; default: middle clip, centre crop.
    cfg.TRAIN.RANDOM_VALIDATION = False


def _test(cfg: CfgNode) -> None:
    cfg.TEST = CfgNode()
    # Test after training, or alone if TRAIN.ENABLE is False.
    cfg.TEST.ENABLE = True
    # Data format of the test list: kinetics or ssv2.
    cfg.TEST.DATASET = "kinetics"
    # Clips (views, not videos) per forward pass on one machine, over all its GPUs.
    cfg.TEST.BATCH_SIZE = 8
    # Weights to test. Empty: the newest in OUTPUT_DIR/checkpoints, else TRAIN.CHECKPOINT_FILE_PATH.
    cfg.TEST.CHECKPOINT_FILE_PATH = ""
    # Temporal views of a video, and spatial crops of each: 1 (centre), 2 (left, centre) or 3.
    cfg.TEST.NUM_ENSEMBLE_VIEWS = 10
    cfg.TEST.NUM_SPATIAL_CROPS = 3
    # (ours) released: clip k of K starts at k/K of the free range, as the published code does.
    # paper: a single clip sits in the middle, several reach from the first frame to the last.
    cfg.TEST.VIEW_PLACEMENT = "released"
    # Pickle of [scores (videos, classes), labels] in OUTPUT_DIR; empty: only the CSV is written.
    cfg.TEST.SAVE_RESULTS_PATH = ""
    # (ours) Arithmetic of the forward pass: fp32 or bf16.
    cfg.TEST.PRECISION = "fp32"


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
    # Initial weights. "": the ImageNet ViT of this shape (through timm); a path: that file;
    # none: random values. Read only when a training starts and nothing else gives it weights.
    cfg.TIMESFORMER.PRETRAINED_MODEL = ""
    # (ours, as all below) Side of a patch, in pixels.
    cfg.TIMESFORMER.PATCH_SIZE = 16
    # Width of a token; number of blocks; heads of each attention; hidden width of the MLP / width.
    cfg.TIMESFORMER.EMBED_DIM = 768
    cfg.TIMESFORMER.DEPTH = 12
    cfg.TIMESFORMER.NUM_HEADS = 12
    cfg.TIMESFORMER.MLP_RATIO = 4.0
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


def _data(cfg: CfgNode) -> None:
    cfg.DATA = CfgNode()
    # Folder of train.csv, val.csv and test.csv (kinetics), or of the SSv2 json and csv lists.
    cfg.DATA.PATH_TO_DATA_DIR = ""
    # Prepended to the paths of the lists: a folder or a URL, as s3://bucket/kinetics; empty: relative
    # to here, else to PATH_TO_DATA_DIR. Paths that are URLs stay as they are.
    cfg.DATA.PATH_PREFIX = ""
    # Between path and label; the default accepts blanks, tabs and commas.
    cfg.DATA.PATH_LABEL_SEPARATOR = " "
    # Videos may have several labels, `path 3;7`: needs bce_logit, reports mean average precision.
    cfg.DATA.MULTI_LABEL = False
    # Frames of a clip, T.
    cfg.DATA.NUM_FRAMES = 8
    # A clip spans SAMPLING_RATE * NUM_FRAMES frames of a TARGET_FPS video (kinetics only).
    cfg.DATA.SAMPLING_RATE = 8
    cfg.DATA.TARGET_FPS = 30
    # Mean and standard deviation of R, G and B, pixel range 0 .. 1.
    cfg.DATA.MEAN = [0.45, 0.45, 0.45]
    cfg.DATA.STD = [0.225, 0.225, 0.225]
    # Range of the random short side in training, in pixels; the smaller one also for validation.
    cfg.DATA.TRAIN_JITTER_SCALES = [256, 320]
    # Draw the short side uniformly in 1 / size instead of size.
    cfg.DATA.INV_UNIFORM_SAMPLE = False
    # Side of the square crop in training and validation; in testing.
    cfg.DATA.TRAIN_CROP_SIZE = 224
    cfg.DATA.TEST_CROP_SIZE = 256
    # Flip half of the training clips left to right.
    cfg.DATA.RANDOM_FLIP = True
    # Hand the model BGR instead of RGB: what published SSv2 checkpoints were trained on.
    cfg.DATA.REVERSE_INPUT_CHANNEL = False
    # Decoder of video files: pyav, or torchcodec (pip install -e ".[codec]" and FFmpeg).
    cfg.DATA.DECODING_BACKEND = "pyav"
    # (ours) Seconds after which reading one video is given up, even if it hangs in the decoder.
    cfg.DATA.DECODE_TIMEOUT = 120.0
    # (ours) Where it decodes: cpu, or cuda (torchcodec only: the GPU's decoder, NVDEC).
    cfg.DATA.DECODING_DEVICE = "cpu"
    # (ours) Before a run, look whether every video of the lists exists; remote ones cost a request.
    cfg.DATA.CHECK_EXISTENCE = True
    # How the views of a video become one score: sum of logits, max of logits, or softmax (the
    # mean of the class probabilities, ours; what the paper describes; of sigmoids if MULTI_LABEL).
    cfg.DATA.ENSEMBLE_METHOD = "sum"

    cfg.DATA_LOADER = CfgNode()
    # Loader processes of each training process; 0 loads in the training process.
    cfg.DATA_LOADER.NUM_WORKERS = 8
    # Page-locked batches, for faster copies to a GPU.
    cfg.DATA_LOADER.PIN_MEMORY = True
    # Let the decoder use several threads a video: for few workers on many cores.
    cfg.DATA_LOADER.ENABLE_MULTI_THREAD_DECODE = False


def _augmentation(cfg: CfgNode) -> None:
    # (ours) Of training clips, after scale, crop and flip; one draw for all frames of a clip. All off
    # by default: the published recipes have none.
    cfg.AUG = CfgNode()
    # Clips that a video gives to its batch: other frames, crops and draws, read in one pass. BATCH_SIZE
    # counts clips, so a batch holds BATCH_SIZE / NUM_REPEATS videos and an epoch has NUM_REPEATS times
    # as many batches.
    cfg.AUG.NUM_REPEATS = 1
    # Empty (none), randaugment or trivialaugment (one operation of random strength).
    cfg.AUG.AUTO_AUGMENT = ""
    # Operations of randaugment, one after the other, and their strength, 0 .. 30.
    cfg.AUG.RAND_AUGMENT_NUM_OPS = 2
    cfg.AUG.RAND_AUGMENT_MAGNITUDE = 9
    # Largest change of brightness, contrast, saturation (0.4: factors 0.6 .. 1.4) and hue (turns of
    # the colour circle, 0 .. 0.5).
    cfg.AUG.COLOR_JITTER = [0.0, 0.0, 0.0, 0.0]
    # Chance of a clip to become grey; to be blurred (Gaussian, standard deviation 0.1 .. 2 pixels).
    cfg.AUG.GRAYSCALE_PROB = 0.0
    cfg.AUG.BLUR_PROB = 0.0
    # Chance of a clip to lose a box (2 .. 33 % of its area, the same box in all frames) to DATA.MEAN.
    cfg.AUG.ERASING_PROB = 0.0
    # JSON file {class: class} of classes that a flip turns into each other, as left and right: names
    # of classes.txt in PATH_TO_DATA_DIR, or ids. Empty: a flip changes no label.
    cfg.AUG.FLIP_MAP = ""


def _mixup(cfg: CfgNode) -> None:
    cfg.MIXUP = CfgNode()
    # Mixup and cutmix of whole clips, by timm, with label smoothing 0.1 as published.
    cfg.MIXUP.ENABLED = False
    cfg.MIXUP.ALPHA = 0.8
    cfg.MIXUP.CUTMIX_ALPHA = 1.0
    cfg.MIXUP.CUTMIX_MINMAX = None
    # Chance to mix a batch; chance of cutmix rather than mixup; batch, pair or elem.
    cfg.MIXUP.PROB = 1.0
    cfg.MIXUP.SWITCH_PROB = 0.5
    cfg.MIXUP.MODE = "batch"


def _solver(cfg: CfgNode) -> None:
    cfg.SOLVER = CfgNode()
    # sgd, adam or adamw.
    cfg.SOLVER.OPTIMIZING_METHOD = "sgd"
    cfg.SOLVER.BASE_LR = 0.1
    # cosine, or steps_with_relative_lrs: LRS[k] * BASE_LR from epoch STEPS[k] on; STEPS[0] is 0.
    cfg.SOLVER.LR_POLICY = "cosine"
    cfg.SOLVER.COSINE_END_LR = 0.0
    cfg.SOLVER.STEPS = []
    cfg.SOLVER.LRS = []
    cfg.SOLVER.MAX_EPOCH = 300
    # Linear warm-up, in epochs, from WARMUP_START_LR to the policy's value at its end.
    cfg.SOLVER.WARMUP_EPOCHS = 0.0
    cfg.SOLVER.WARMUP_START_LR = 0.01
    # Of sgd.
    cfg.SOLVER.MOMENTUM = 0.9
    cfg.SOLVER.DAMPENING = 0.0
    cfg.SOLVER.NESTEROV = True
    # Of every parameter, as published.
    cfg.SOLVER.WEIGHT_DECAY = 1e-4


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
