"""Defaults of the keys about training and testing: TRAIN, TEST, SOLVER."""

from fvcore.common.config import CfgNode


def training_defaults(cfg: CfgNode) -> None:
    """Add the sections to ``cfg``."""
    _train(cfg)
    _test(cfg)
    _solver(cfg)


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
    # Clips per forward pass on one machine, over all its GPUs. (ours) 0: GLOBAL_BATCH_SIZE, shared
    # among all machines; tools/plan.py says what fits into memory.
    cfg.TRAIN.BATCH_SIZE = 64
    # Epochs between two validations, and between two checkpoints; the last epoch has both.
    cfg.TRAIN.EVAL_PERIOD = 10
    cfg.TRAIN.CHECKPOINT_PERIOD = 10
    # (ours) Optimizer steps between two checkpoints inside an epoch, of which the newest stay; 0: none.
    cfg.TRAIN.CHECKPOINT_STEPS = 0
    # (ours) Checkpoints of epochs that stay, the newest, besides checkpoint_best.pyth; 0: all.
    cfg.TRAIN.KEEP_CHECKPOINTS = 0
    # (ours) Decay of a moving average of the weights, which is then what is validated and tested, as
    # 0.999 for thousands of steps; 0: no average.
    cfg.TRAIN.EMA_DECAY = 0.0
    # (ours) Minutes after which a run, its test too, saves and ends with status 0, to go on by the same
    # command; 0: no limit. run_net.py --max-time sets it.
    cfg.TRAIN.MAX_MINUTES = 0.0
    # (ours) Batches to run under PyTorch's profiler, after two to warm up; run_net.py --profile sets it.
    cfg.TRAIN.PROFILE_STEPS = 0
    # Go on from the newest checkpoint in OUTPUT_DIR/checkpoints, if there is one.
    cfg.TRAIN.AUTO_RESUME = True
    # (ours) Resume although what decides the numbers (model, schedule, batches, seed, lists) differs
    # from the checkpoint. run_net.py --override sets it.
    cfg.TRAIN.OVERRIDE = False
    # Checkpoint to start from. Without FINETUNE its optimizer state and epoch count too.
    cfg.TRAIN.CHECKPOINT_FILE_PATH = ""
    # Forget the epoch and the optimizer state of CHECKPOINT_FILE_PATH.
    cfg.TRAIN.CHECKPOINT_EPOCH_RESET = False
    # Substrings to cut out of the parameter names of CHECKPOINT_FILE_PATH.
    cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN = ()
    # (ours) Refuse weights that leave parameters without values, or tensors without a place, unless that
    # is the nature of the file (no classifier, an image model); False: take what fits, and say so.
    cfg.TRAIN.CHECKPOINT_STRICT = True
    # (ours) Parameters to leave as they are, in evaluation mode: empty; backbone (all but the head: a
    # linear probe); or patterns of names (fnmatch), as ['patch_embed.*', 'blocks.[0-5].*'].
    cfg.TRAIN.FREEZE = ()
    # (ours) Clips of a training video whose features a linear probe (FREEZE backbone) computes once
    # and reuses in every epoch. 1: the middle clip, its centre crop; more: as many random, augmented
    # clips, one in each epoch in turn; 0: new clips in every epoch, no features kept.
    cfg.TRAIN.PROBE_CLIPS = 1
    # (ours) Arithmetic of forward and backward; parameters stay fp32. fp32; tf32 (GPU); bf16; fp16
    # (GPU; the loss is scaled, and a step whose gradients overflow is left out).
    cfg.TRAIN.PRECISION = "fp32"
    # (ours) Compile the model with torch.compile; the first steps take minutes.
    cfg.TRAIN.COMPILE = False
    # (ours) Compute norms, GELU and what attention makes of few frames again in the backward pass
    # instead of keeping them: 30 % less memory for activations, about 1 % more time (on a CPU).
    cfg.TRAIN.LEAN = True
    # (ours) Share of the blocks, evenly spread, that recompute their activations in the backward pass
    # instead of keeping them: less memory, more time, the same numbers. 0: none; 1: all.
    cfg.TRAIN.ACTIVATION_CHECKPOINT = 0.0
    # (ours) Validate as published, on random clips and crops; default: middle clip, centre crop.
    cfg.TRAIN.RANDOM_VALIDATION = False


def _test(cfg: CfgNode) -> None:
    cfg.TEST = CfgNode()
    # Test after training, or alone if TRAIN.ENABLE is False.
    cfg.TEST.ENABLE = True
    # Data format of the test list: kinetics or ssv2.
    cfg.TEST.DATASET = "kinetics"
    # Clips (views, not videos) that are read at once on one machine, over all its GPUs; whole passes
    # where one holds several videos.
    cfg.TEST.BATCH_SIZE = 8
    # (ours) Clips of a forward pass of one process, of whole videos if it holds one, however many the
    # processes: each pass has the same shape and the same videos then, and so scores are the same to
    # the bit. 0: 8 on a GPU, 1 on a CPU (where more are not faster).
    cfg.TEST.CLIPS_PER_PASS = 0
    # Weights to test; best: of the best validation of the run in OUTPUT_DIR. Empty: its newest, else
    # TRAIN.CHECKPOINT_FILE_PATH.
    cfg.TEST.CHECKPOINT_FILE_PATH = ""
    # Temporal views of a video (1000 at most), and spatial crops of each: 1 (centre), 2 (left, centre)
    # or 3.
    cfg.TEST.NUM_ENSEMBLE_VIEWS = 10
    cfg.TEST.NUM_SPATIAL_CROPS = 3
    # (ours) released: clip k of K starts at k/K of the free range, as the published code does.
    # paper: a single clip sits in the middle, several reach from the first frame to the last.
    cfg.TEST.VIEW_PLACEMENT = "released"
    # Pickle of [scores (videos, classes), labels] in OUTPUT_DIR; empty: only the CSV is written.
    cfg.TEST.SAVE_RESULTS_PATH = ""
    # (ours) Arithmetic of the forward pass: fp32, tf32 (GPU), bf16 or fp16 (GPU).
    cfg.TEST.PRECISION = "fp32"


def _solver(cfg: CfgNode) -> None:
    cfg.SOLVER = CfgNode()
    # sgd, adam or adamw.
    cfg.SOLVER.OPTIMIZING_METHOD = "sgd"
    cfg.SOLVER.BASE_LR = 0.1
    # (ours) Clips of a step that the learning rates are meant for: all are multiplied by
    # GLOBAL_BATCH_SIZE / REFERENCE_BATCH_SIZE. 0: they are as given.
    cfg.SOLVER.REFERENCE_BATCH_SIZE = 0
    # cosine, or steps_with_relative_lrs: LRS[k] * BASE_LR from epoch STEPS[k] on; STEPS[0] is 0.
    cfg.SOLVER.LR_POLICY = "cosine"
    cfg.SOLVER.COSINE_END_LR = 0.0
    cfg.SOLVER.STEPS = []
    cfg.SOLVER.LRS = []
    cfg.SOLVER.MAX_EPOCH = 300
    # (ours) Validations in a row that are not the best so far, after which training ends; 0: never.
    cfg.SOLVER.EARLY_STOP = 0
    # (ours) Largest norm of the gradients of a step, all together; larger ones are scaled down; 0: none.
    cfg.SOLVER.CLIP_GRAD_NORM = 0.0
    # (ours) Steps in a row that are skipped because loss or gradient is not finite, after which the
    # weights of the newest checkpoint come back; the second time the run ends.
    cfg.SOLVER.MAX_NONFINITE_STEPS = 10
    # Linear warm-up, in epochs, from WARMUP_START_LR to the policy's value at its end.
    cfg.SOLVER.WARMUP_EPOCHS = 0.0
    cfg.SOLVER.WARMUP_START_LR = 0.01
    # Of sgd.
    cfg.SOLVER.MOMENTUM = 0.9
    cfg.SOLVER.DAMPENING = 0.0
    cfg.SOLVER.NESTEROV = True
    # Of every parameter, as published.
    cfg.SOLVER.WEIGHT_DECAY = 1e-4
    # (ours, as all below) No weight decay for norms and biases, nor for cls_token, pos_embed and
    # time_embed, which are added as biases are.
    cfg.SOLVER.ZERO_WD_1D_PARAM = False
    # Factor of the learning rate from each block to the one before, as in BEiT: 1 for head and norm,
    # L for the last block, L ** (DEPTH + 1) for the embeddings. 1.0: one rate for all. For a few
    # thousand videos 0.65 .. 0.8.
    cfg.SOLVER.LAYER_DECAY = 1.0
    # Learning rate of the head / that of the rest.
    cfg.SOLVER.HEAD_LR_RATIO = 1.0
    # Share of each target that is spread over all classes; cross_entropy only. MIXUP smooths by 0.1
    # itself, as published; a value above 0 then takes the place of this 0.1.
    cfg.SOLVER.LABEL_SMOOTHING = 0.0
