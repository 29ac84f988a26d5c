"""Keys of the data: DATA, DATA_LOADER, AUG and MIXUP."""

from timesformer.config.key import Key, free

# A row a key, which the formatter would break into a line an argument.
# fmt: off

DATA = (
    Key("DATA.PATH_TO_DATA_DIR", "",
        "Folder of train.csv, val.csv and test.csv (kinetics), or of the SSv2 json and csv lists.",
        free=True),
    Key("DATA.PATH_PREFIX", "",
        "Prepended to the paths of the lists: a folder or a URL, as s3://bucket/kinetics. Empty: paths "
        "are relative to here, else to PATH_TO_DATA_DIR. Paths that are URLs stay as they are.",
        free=True),
    Key("DATA.EXTRA_TRAIN", "",
        "Second list to train on, `path label` lines of other classes, or a folder of train.csv: both "
        "lists train the model together, each with a classifier of its own. Validation, test and "
        "prediction are of the first.", ours=True, free=True),
    Key("DATA.PATH_LABEL_SEPARATOR", " ",
        "Between path and label. The default accepts blanks, tabs and commas."),
    Key("DATA.MULTI_LABEL", False,
        "Videos may have several labels, `path 3;7`. Needs bce_logit. Reports mean average precision.",
        scored=True),
    Key("DATA.NUM_FRAMES", 8, "Frames of a clip, T.", at_least=1, scored=True),
    Key("DATA.SAMPLING_RATE", 8,
        "A clip spans SAMPLING_RATE * NUM_FRAMES frames of a TARGET_FPS video (kinetics only).",
        at_least=1, scored=True),
    Key("DATA.TARGET_FPS", 30, "Frame rate that SAMPLING_RATE refers to.", at_least=1, scored=True),
    Key("DATA.MODALITY", "rgb",
        "What the model sees. flow: FLOW.STACK fields of optical flow at each frame of the clip, x and y "
        "in turn, 2 * FLOW.STACK channels. rgb+flow: R, G, B, then those.",
        choices=("rgb", "flow", "rgb+flow"), ours=True, scored=True),
    Key("DATA.MEAN", [0.45, 0.45, 0.45],
        "Mean of R, G and B, pixel range 0 .. 1. Flow has its own: no motion is 0, BOUND is 1.",
        scored=True),
    Key("DATA.STD", [0.225, 0.225, 0.225],
        "Standard deviation of R, G and B, pixel range 0 .. 1.", scored=True),
    Key("DATA.TRAIN_JITTER_SCALES", [256, 320],
        "Range of the random short side in training, in pixels. Validation uses the smaller one.",
        scored=True),
    Key("DATA.INV_UNIFORM_SAMPLE", False, "Draw the short side uniformly in 1 / size instead of size."),
    Key("DATA.TRAIN_CROP_SIZE", 224,
        "Side of the square crop in training and validation.", at_least=1, scored=True),
    Key("DATA.TEST_CROP_SIZE", 256,
        "Side of the square crop in testing.", at_least=1, scored=True, free=True),
    Key("DATA.RANDOM_FLIP", True, "Flip half of the training clips left to right."),
    Key("DATA.REVERSE_INPUT_CHANNEL", False,
        "Give the model BGR instead of RGB, as published SSv2 checkpoints were trained.", scored=True),
    Key("DATA.APPLY_ROTATION", False,
        "Turn frames as a player would where a file asks for it (phones held upright). Published code "
        "uses frames as they are stored, and so do checkpoints that were trained with it.",
        ours=True, scored=True),
    Key("DATA.DECODING_BACKEND", "pyav",
        'Decoder of video files. torchcodec needs pip install -e ".[codec]" and FFmpeg.',
        choices=("pyav", "torchcodec"), note=" (torchvision no longer decodes video)", free=True),
    Key("DATA.DECODE_TIMEOUT", 120.0,
        "Seconds after which reading one video is given up, even if the decoder hangs.",
        at_least=0, ours=True, free=True),
    Key("DATA.DECODING_DEVICE", "cpu",
        "Device that decodes. cuda: the GPU's decoder, NVDEC (torchcodec only).",
        choices=("cpu", "cuda"), ours=True, free=True),
    Key("DATA.CHECK_EXISTENCE", True,
        "Before a run, check that every video of the lists exists. Remote ones cost a request each.",
        ours=True, free=True),
    Key("DATA.LIMIT_TRAIN_BATCHES", 0.0,
        "For trials: batches of an epoch. A number, a share below 1, or 0 for all.",
        at_least=0, ours=True),
    Key("DATA.LIMIT_VAL_BATCHES", 0.0,
        "For trials: batches of a validation and of the test. A number, a share below 1, or 0 for all. "
        "Limited evaluations take videos from all over the list, and their results say so.",
        at_least=0, ours=True, free=True),
    Key("DATA.OVERFIT_BATCHES", 0,
        "Train on as many batches of videos again and again, 50 batches an epoch, each video with its "
        "middle clip and centre crop, and validate on the same. 0: off. --overfit of `timesformer train` "
        "sets the rest.", at_least=0, ours=True),
    Key("DATA.ENSEMBLE_METHOD", "sum",
        "How the views of a video become one score: sum of logits, max of logits, or softmax (ours): the "
        "mean of the class probabilities, as the paper describes it; of sigmoids if MULTI_LABEL.",
        choices=("sum", "max", "softmax"), scored=True, free=True),
)

# Field i is the motion from frame i to frame i + 1 of the video.
FLOW = (
    Key("DATA.FLOW.METHOD", "dis",
        "How optical flow is computed. dis and farneback: by OpenCV. tvl1: needs "
        "opencv-contrib-python-headless. raft_small: a network of torchvision, needs FLOW.WEIGHTS.",
        choices=("dis", "farneback", "tvl1", "raft_small"), ours=True, scored=True),
    Key("DATA.FLOW.BOUND", 20.0,
        "Largest motion along x and along y, in pixels; what is faster is cut to it.",
        above=0, ours=True, scored=True),
    Key("DATA.FLOW.STACK", 10,
        "Fields that follow each other from a frame of the clip. Two-stream: 10. TSN: 5. I3D: 1.",
        at_least=1, ours=True, scored=True),
    Key("DATA.FLOW.SHORT_SIDE", 256,
        "Flow is computed between frames whose short side is scaled down to this many pixels; smaller "
        "ones stay as they are.", at_least=16, ours=True, scored=True),
    Key("DATA.FLOW.CACHE", "",
        "Folder that `timesformer extract-flow` has written. Empty: flow is computed in the loader "
        "processes, each time that a clip is read.", ours=True, free=True),
    Key("DATA.FLOW.WEIGHTS", "", "File with the weights of raft_small.", ours=True, free=True),
)

DATA_LOADER = free(
    Key("DATA_LOADER.NUM_WORKERS", 8,
        "Loader processes of each training process. 0 loads in the training process.", at_least=0),
    Key("DATA_LOADER.PIN_MEMORY", True, "Use page-locked batches, for faster copies to a GPU."),
    Key("DATA_LOADER.ENABLE_MULTI_THREAD_DECODE", False,
        "Let the decoder use several threads a video: for few workers on many cores."),
)

# Of training clips, after scale, crop and flip. One draw for all frames of a clip. The published
# recipes have none of these.
AUG = (
    Key("AUG.NUM_REPEATS", 1,
        "Clips that a video gives to its batch: other frames, crops and draws, read at once. BATCH_SIZE "
        "counts clips, so a batch holds BATCH_SIZE / NUM_REPEATS videos and an epoch has NUM_REPEATS "
        "times as many batches.", at_least=1, ours=True),
    Key("AUG.AUTO_AUGMENT", "", "Empty: none. trivialaugment: one operation of random strength.",
        choices=("", "randaugment", "trivialaugment"), ours=True),
    Key("AUG.RAND_AUGMENT_NUM_OPS", 2,
        "Operations of randaugment, one after the other.", at_least=1, ours=True),
    Key("AUG.RAND_AUGMENT_MAGNITUDE", 9,
        "Strength of the operations of randaugment.", at_least=0, at_most=30, ours=True),
    Key("AUG.COLOR_JITTER", [0.0, 0.0, 0.0, 0.0],
        "Largest change of brightness, contrast, saturation (0.4: factors 0.6 .. 1.4) and hue (turns of "
        "the colour circle, 0 .. 0.5).", ours=True),
    Key("AUG.GRAYSCALE_PROB", 0.0,
        "Probability that a clip becomes grey.", at_least=0, at_most=1, ours=True),
    Key("AUG.BLUR_PROB", 0.0,
        "Probability that a clip is blurred (Gaussian, standard deviation 0.1 .. 2 pixels).",
        at_least=0, at_most=1, ours=True),
    Key("AUG.ERASING_PROB", 0.0,
        "Probability that a box (2 .. 33 % of the area, the same in all frames) becomes DATA.MEAN.",
        at_least=0, at_most=1, ours=True),
    Key("AUG.FLIP_MAP", "",
        "JSON file {class: class} of classes that a flip turns into each other, as left and right: names "
        "of classes.txt in PATH_TO_DATA_DIR, or ids. Empty: a flip changes no label.", ours=True),
)

MIXUP = (
    Key("MIXUP.ENABLED", False,
        "Mixup and cutmix of whole clips, by timm, with label smoothing 0.1 as published."),
    Key("MIXUP.ALPHA", 0.8, "Parameter of mixup's beta distribution. 0: no mixup.", at_least=0),
    Key("MIXUP.CUTMIX_ALPHA", 1.0, "Parameter of cutmix's beta distribution. 0: no cutmix.", at_least=0),
    Key("MIXUP.CUTMIX_MINMAX", None, "[least, most] of a side of the box, instead of CUTMIX_ALPHA."),
    Key("MIXUP.PROB", 1.0, "Probability that a batch is mixed.", at_least=0, at_most=1),
    Key("MIXUP.SWITCH_PROB", 0.5,
        "Probability of cutmix rather than mixup if both are on.", at_least=0, at_most=1),
    Key("MIXUP.MODE", "batch", "What shares one mixing draw.", choices=("batch", "pair", "elem")),
)
