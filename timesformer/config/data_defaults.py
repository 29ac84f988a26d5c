"""Defaults of the keys about data: DATA, DATA_LOADER, AUG, MIXUP."""

from fvcore.common.config import CfgNode


def data_defaults(cfg: CfgNode) -> None:
    """Add the sections to ``cfg``."""
    _data(cfg)
    _augmentation(cfg)
    _mixup(cfg)


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
    # (ours) Turn frames as a player would where a file asks for it (phones held upright); published
    # code uses frames as they are stored, and so do checkpoints that were trained with it.
    cfg.DATA.APPLY_ROTATION = False
    # Decoder of video files: pyav, or torchcodec (pip install -e ".[codec]" and FFmpeg).
    cfg.DATA.DECODING_BACKEND = "pyav"
    # (ours) Seconds after which reading one video is given up, even if it hangs in the decoder.
    cfg.DATA.DECODE_TIMEOUT = 120.0
    # (ours) Where it decodes: cpu, or cuda (torchcodec only: the GPU's decoder, NVDEC).
    cfg.DATA.DECODING_DEVICE = "cpu"
    # (ours) Before a run, look whether every video of the lists exists; remote ones cost a request.
    cfg.DATA.CHECK_EXISTENCE = True
    # (ours) For trials: batches of an epoch, and batches of a validation and of the test; a number, a
    # share below 1, or 0 for all. Limited evaluations take videos from all over the list, and say so.
    cfg.DATA.LIMIT_TRAIN_BATCHES = 0.0
    cfg.DATA.LIMIT_VAL_BATCHES = 0.0
    # (ours) Train on as many batches of videos again and again, 50 batches an epoch, each video with its
    # middle clip and centre crop, and validate on the same; 0: off. run_net.py --overfit sets the rest.
    cfg.DATA.OVERFIT_BATCHES = 0
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
