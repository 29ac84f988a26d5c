"""Keys of the run itself: devices, processes, logs and TensorBoard."""

from timesformer.config.key import Key, free

# A row a key, which the formatter would break into a line an argument.
# fmt: off

RUN = (
    Key("OUTPUT_DIR", "./tmp", "Folder of checkpoints, logs and results.", free=True),
    Key("NUM_GPUS", 1,
        "GPUs to use on this machine. 0 trains and tests on the CPU.", at_least=0, free=True),
    Key("NUM_SHARDS", 1, "Machines that train together. torchrun sets it.", at_least=1, free=True),
    Key("SHARD_ID", 0,
        "Which of the NUM_SHARDS machines this one is. torchrun sets it.", at_least=0, free=True),
    Key("RNG_SEED", 1,
        "Seed of all random numbers. Draws depend on (seed, epoch, clip), never on workers or ranks.",
        at_least=0, below=2**63),
    Key("LOG_PERIOD", 10, "Steps between two log lines.", at_least=1, free=True),
    Key("LOG_MODEL_INFO", False,
        "Log the parameter and multiply-add counts of the model before the run.", free=True),
    Key("GLOBAL_BATCH_SIZE", 64,
        "Clips per optimizer step. Smaller batches accumulate: GLOBAL_BATCH_SIZE // online batch of them.",
        at_least=1),
    Key("DIST_BACKEND", "nccl",
        "Backend of torch.distributed on GPUs. Processes on a CPU always use gloo.",
        choices=("nccl", "gloo"), free=True),
)

DIST = (
    Key("DIST.STRATEGY", "ddp",
        "ddp: every process has the whole model. fsdp: each has a part of every parameter, gradient and "
        "optimizer state (FSDP2, sharded by block), for models whose states fill the memory of a GPU.",
        choices=("ddp", "fsdp"), ours=True, free=True),
    Key("DIST.SHARDED_CHECKPOINTS", False,
        "With fsdp, each process writes its own part of a checkpoint into a folder "
        "checkpoint_epoch_00005.dcp, which all machines must share. Nothing is gathered, but training "
        "waits until it is written. The best checkpoint stays one file, checkpoint_best.pyth.",
        ours=True, free=True),
    Key("DIST.CPU_PROCESSES", 1,
        "Processes of this machine when NUM_GPUS is 0. On GPUs, and under torchrun, each GPU has one.",
        at_least=1, ours=True, free=True),
    Key("DIST.TIMEOUT", 600.0,
        "Seconds within which all processes must join, and each collective must end. The checks before a "
        "run have no limit.", at_least=1, ours=True, free=True),
    Key("DIST.SYNC_BATCHNORM", True,
        "Batch norms take their statistics over the clips of all processes, so that any number of them "
        "trains alike. False: over those of each process, as most papers did; nothing is exchanged in the "
        "forward pass then, and the running statistics are those of the first process.", ours=True),
)

TENSORBOARD = free(
    Key("TENSORBOARD.ENABLE", False, "Write event files for TensorBoard."),
    Key("TENSORBOARD.LOG_DIR", "",
        "Folder of the event files in OUTPUT_DIR. Empty: runs-<TRAIN.DATASET>."),
    Key("TENSORBOARD.CLASS_NAMES_PATH", "", "JSON file {class name: id}, for the figures."),
    Key("TENSORBOARD.CATEGORIES_PATH", "", "JSON file {category: [class names]}, for the figures."),
    Key("TENSORBOARD.CONFUSION_MATRIX.ENABLE", False, "Draw the confusion matrix of every validation."),
    Key("TENSORBOARD.CONFUSION_MATRIX.FIGSIZE", [8, 8], "Width and height of the figure, in inches."),
    Key("TENSORBOARD.CONFUSION_MATRIX.SUBSET_PATH", "",
        "Text file of class names, a line each: draw the confusion matrix of these too."),
    Key("TENSORBOARD.HISTOGRAM.ENABLE", False,
        "Draw the most frequent predictions for each class of every validation."),
    Key("TENSORBOARD.HISTOGRAM.SUBSET_PATH", "",
        "Text file of class names, a line each: draw these only."),
    Key("TENSORBOARD.HISTOGRAM.TOPK", 10, "Predictions to draw for each class.", at_least=1),
    Key("TENSORBOARD.HISTOGRAM.FIGSIZE", [8, 8], "Width and height of the figure, in inches."),
    Key("TENSORBOARD.REPORT.ENABLE", False,
        "Draw the figures of a report for every validation: accuracy, classes, confusion, calibration.",
        ours=True),
)
