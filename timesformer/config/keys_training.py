"""Keys of training and testing: TRAIN, TEST and SOLVER."""

from timesformer.config.key import Key, free
from timesformer.files import TESTED_SPLITS

# A row a key, which the formatter would break into a line an argument.
# fmt: off

_DATASETS = ("kinetics", "ssv2")
_PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

TRAIN = (
    Key("TRAIN.ENABLE", True, "Train. If TEST.ENABLE, the test follows.", free=True),
    Key("TRAIN.DATASET", "kinetics", "Data format of the train and val lists.", choices=_DATASETS),
    Key("TRAIN.SAMPLER", "uniform",
        "Clips of an epoch: uniform (each video once), balanced (as many of every class), or sqrt (a "
        "class in proportion to the square root of its videos). Always as many as the list has.",
        choices=("uniform", "balanced", "sqrt"), ours=True),
    Key("TRAIN.FINETUNE", False,
        "Start from the weights of CHECKPOINT_FILE_PATH at epoch 0. An interrupted fine-tuning resumes.",
        free=True),
    Key("TRAIN.BATCH_SIZE", 64,
        "Clips per forward pass on one machine, over all its GPUs. 0 (ours): GLOBAL_BATCH_SIZE, shared "
        "among all machines. `timesformer plan` says what fits into memory.", at_least=1),
    Key("TRAIN.EVAL_PERIOD", 10,
        "Epochs between two validations. The last epoch has one.", at_least=1, free=True),
    Key("TRAIN.CHECKPOINT_PERIOD", 10,
        "Epochs between two checkpoints. The last epoch has one.", at_least=1, free=True),
    Key("TRAIN.CHECKPOINT_STEPS", 0,
        "Optimizer steps between two checkpoints inside an epoch, of which the newest stay. 0: none.",
        at_least=0, ours=True, free=True),
    Key("TRAIN.KEEP_CHECKPOINTS", 0,
        "Newest checkpoints of epochs to keep, besides checkpoint_best.pyth. 0: all.",
        at_least=0, ours=True, free=True),
    Key("TRAIN.EMA_DECAY", 0.0,
        "Decay of a moving average of the weights, as 0.999 for thousands of steps. Validation and test "
        "then use the average. 0: no average.", at_least=0, below=1, ours=True),
    Key("TRAIN.MAX_MINUTES", 0.0,
        "Minutes after which a run, its test too, saves and exits with status 0. The same command resumes "
        "it. 0: no limit. --max-time of `timesformer train` sets it.", at_least=0, ours=True, free=True),
    Key("TRAIN.PROFILE_STEPS", 0,
        "Batches to run under PyTorch's profiler, after two to warm up. --profile of `timesformer train` "
        "sets it.", at_least=0, ours=True),
    Key("TRAIN.AUTO_RESUME", True,
        "Resume from the newest checkpoint in OUTPUT_DIR/checkpoints, if there is one.", free=True),
    Key("TRAIN.RESUME_ANYWAY", False,
        "Resume although settings that decide the numbers (model, schedule, batches, seed, lists) differ "
        "from the checkpoint. --override of `timesformer train` sets it.",
        ours=True, was="TRAIN.OVERRIDE", free=True),
    Key("TRAIN.CHECKPOINT_FILE_PATH", "",
        "Checkpoint to start from. Without FINETUNE its optimizer state and epoch count are used too.",
        free=True),
    Key("TRAIN.CHECKPOINT_EPOCH_RESET", False,
        "Do not use the epoch and the optimizer state of CHECKPOINT_FILE_PATH.", free=True),
    Key("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", (),
        "Substrings to cut out of the parameter names of CHECKPOINT_FILE_PATH.", free=True),
    Key("TRAIN.CHECKPOINT_STRICT", True,
        "Refuse weights that leave parameters without values, or tensors without a parameter, unless the "
        "kind of file explains it (no classifier, an image model). False: load what fits, and log the "
        "rest.", ours=True, free=True),
    Key("TRAIN.FREEZE", (),
        "Parameters to freeze, in evaluation mode. Empty: none. backbone: all but the head, a linear "
        "probe. Else patterns of names (fnmatch), as ['patch_embed.*', 'blocks.[0-5].*'].", ours=True),
    Key("TRAIN.PROBE_CLIPS", 1,
        "Clips of a training video whose features a linear probe (FREEZE backbone) computes once and "
        "reuses in every epoch. 1: the middle clip, its centre crop. More: as many random, augmented "
        "clips, one in each epoch in turn. 0: new clips in every epoch, no features kept.",
        at_least=0, ours=True),
    Key("TRAIN.PRECISION", "fp32",
        "Arithmetic of forward and backward. Parameters stay fp32. tf32 and fp16 need a GPU. With fp16 "
        "the loss is scaled, and a step whose gradients overflow is skipped.",
        choices=_PRECISIONS, ours=True),
    Key("TRAIN.COMPILE", False,
        "Compile the model with torch.compile. The first steps take minutes.", ours=True, free=True),
    Key("TRAIN.RECOMPUTE_CHEAP_OPS", True,
        "Compute norms, GELU and short attention again in the backward pass instead of keeping them: 30 % "
        "less memory for activations, about 1 % more time (on a CPU).",
        ours=True, was="TRAIN.LEAN", free=True),
    Key("TRAIN.ACTIVATION_CHECKPOINT", 0.0,
        "Share of the blocks, evenly spread, that recompute their activations in the backward pass "
        "instead of keeping them: less memory, more time, the same numbers. 0: none. 1: all.",
        at_least=0, at_most=1, ours=True, free=True),
    Key("TRAIN.RANDOM_VALIDATION", False,
        "Validate as published, on random clips and crops. Default: middle clip, centre crop.", ours=True),
)

TEST = free(
    Key("TEST.ENABLE", True, "Test after training, or alone if TRAIN.ENABLE is False."),
    Key("TEST.DATASET", "kinetics", "Data format of the test list.", choices=_DATASETS, scored=True),
    Key("TEST.SPLIT", "test",
        "The list to test on. val: val.csv, with the views of a test, into val_predictions.csv "
        "and so on, to which a temperature or the weights of a fusion are fitted.",
        choices=TESTED_SPLITS, ours=True),
    Key("TEST.BATCH_SIZE", 8,
        "Clips (views, not videos) that are read at once on one machine, over all its GPUs. Whole forward "
        "batches where one holds several videos.", at_least=1),
    Key("TEST.FORWARD_BATCH", 0,
        "Clips of a forward pass of one process, of whole videos if it holds one. Every forward pass then "
        "has the same shape and the same videos on any number of processes, and scores are equal to the "
        "bit. 0: 8 on a GPU and of tiny clips, 1 on a CPU (where more are not faster).",
        at_least=0, ours=True, was="TEST.CLIPS_PER_PASS", scored=True),
    Key("TEST.CHECKPOINT_FILE_PATH", "",
        "Weights to test. best: of the best validation of the run in OUTPUT_DIR. Empty: its newest, else "
        "TRAIN.CHECKPOINT_FILE_PATH."),
    Key("TEST.NUM_ENSEMBLE_VIEWS", 10,
        "Temporal views of a video. A test has all its clips in memory at once; predict and features "
        "score more than 100 as they are decoded.", at_least=1, at_most=100_000, scored=True),
    Key("TEST.NUM_SPATIAL_CROPS", 3,
        "Spatial crops of each view: 1 (centre), 2 (left, centre) or 3.", choices=(1, 2, 3), scored=True),
    Key("TEST.VIEW_PLACEMENT", "official",
        "official: clip k of K starts at k/K of the free range, as in the published code. paper: a single "
        "clip sits in the middle, several reach from the first frame to the last.",
        choices=("official", "paper"), old_choices={"released": "official"}, ours=True, scored=True),
    Key("TEST.PROTOCOLS", (),
        "Published protocols to test too, from one decode of each video, as [paper, official]. paper: "
        "VIEW_PLACEMENT paper and ENSEMBLE_METHOD softmax. official: official and sum. Each has files of "
        "its own, as test_predictions_paper.csv; those without a name stay those of the keys.",
        ours=True),
    Key("TEST.SAVE_RESULTS_PATH", "",
        "Pickle of [scores (videos, classes), labels] in OUTPUT_DIR. Empty: only the CSV is written."),
    Key("TEST.SAVE_VIEWS", False,
        "Write the logits of every single view into test_views.npz, for the accuracy against the number "
        "of views without another test: two bytes for each video, view and class.", ours=True),
    Key("TEST.PRECISION", "fp32",
        "Arithmetic of the forward pass. tf32 and fp16 need a GPU.", choices=_PRECISIONS, ours=True),
)

SOLVER = (
    Key("SOLVER.OPTIMIZING_METHOD", "sgd", "Optimizer.", choices=("sgd", "adam", "adamw")),
    Key("SOLVER.BASE_LR", 0.1, "Learning rate after the warm-up.", at_least=0),
    Key("SOLVER.LR_REFERENCE_BATCH", 0,
        "Clips of a step that the learning rates are meant for: all are multiplied by GLOBAL_BATCH_SIZE / "
        "LR_REFERENCE_BATCH. 0: they are used as given.",
        at_least=0, ours=True, was="SOLVER.REFERENCE_BATCH_SIZE"),
    Key("SOLVER.LR_POLICY", "cosine", "steps_with_relative_lrs: LRS[k] * BASE_LR from epoch STEPS[k] on.",
        choices=("cosine", "steps_with_relative_lrs")),
    Key("SOLVER.COSINE_END_LR", 0.0, "Learning rate at the end of cosine.", at_least=0),
    Key("SOLVER.STEPS", [], "Epochs of steps_with_relative_lrs, in order. The first one is 0."),
    Key("SOLVER.LRS", [], "Factors of steps_with_relative_lrs, one for each of STEPS."),
    Key("SOLVER.MAX_EPOCH", 300, "Epochs of a training.", at_least=1),
    Key("SOLVER.EARLY_STOP_PATIENCE", 0,
        "Validations in a row without a new best, after which training stops. 0: never.",
        at_least=0, ours=True, was="SOLVER.EARLY_STOP", free=True),
    Key("SOLVER.CLIP_GRAD_NORM", 0.0,
        "Largest norm of all gradients of a step together. Larger ones are scaled down. 0: no limit.",
        at_least=0, ours=True),
    Key("SOLVER.MAX_NONFINITE_STEPS", 10,
        "Steps in a row that are skipped because loss or gradient is not finite. Then the weights of the "
        "newest checkpoint are loaded. The second time the run stops.", at_least=1, ours=True, free=True),
    Key("SOLVER.WARMUP_EPOCHS", 0.0,
        "Epochs of linear warm-up, from WARMUP_START_LR to the policy's value at its end.", at_least=0),
    Key("SOLVER.WARMUP_START_LR", 0.01, "Learning rate at the start of the warm-up.", at_least=0),
    Key("SOLVER.MOMENTUM", 0.9, "Momentum of sgd.", at_least=0, below=1),
    Key("SOLVER.DAMPENING", 0.0, "Dampening of sgd."),
    Key("SOLVER.NESTEROV", True, "Nesterov momentum of sgd."),
    Key("SOLVER.WEIGHT_DECAY", 1e-4, "Weight decay of every parameter, as published.", at_least=0),
    Key("SOLVER.ZERO_WD_1D_PARAM", False,
        "No weight decay for norms and biases, nor for cls_token, pos_embed and time_embed, which are "
        "added as biases are.", ours=True),
    Key("SOLVER.LAYER_DECAY", 1.0,
        "Factor of the learning rate from each block to the one before, as in BEiT: 1 for head and norm, "
        "L for the last block, L ** (DEPTH + 1) for the embeddings. 1.0: one rate for all. For a few "
        "thousand videos 0.65 .. 0.8.", above=0, at_most=1, ours=True),
    Key("SOLVER.HEAD_LR_RATIO", 1.0,
        "Learning rate of the head / learning rate of the rest.", at_least=0, ours=True),
    Key("SOLVER.LABEL_SMOOTHING", 0.0,
        "Share of each target that is spread over all classes (cross_entropy only). MIXUP smooths by 0.1 "
        "itself, as published. A value above 0 replaces this 0.1.", at_least=0, below=1, ours=True),
)
