"""Keys of the model: MODEL and TIMESFORMER."""

from timesformer.config.key import Key

TIMESFORMERS = ("vit_base_patch16_224", "TimeSformer")  # names of the TIMESFORMER section's model

# A row a key, which the formatter would break into a line an argument.
# fmt: off

MODEL = (
    Key("MODEL.ARCH", "vit", "Family of the model. The published default, slowfast, could not be built.",
        choices=("vit",), note=" (other models are named by MODEL.MODEL_NAME)"),
    Key("MODEL.MODEL_NAME", "vit_base_patch16_224",
        "Name of the model: vit_base_patch16_224 or TimeSformer, which mean the model of the TIMESFORMER "
        "section, c3d, torchvision/NAME, pytorchvideo/NAME, hf/FOLDER, timm/NAME+STEP with the STEP over "
        "time mean, max, attention, lstm or gru, two_stream/NAME+FUSION with the FUSION late or conv. "
        "`timesformer models` lists them.", scored=True),
    Key("MODEL.HF_CONFIG", "",
        "Architecture of a model hf/FOLDER, as JSON text. Empty: read from config.json of the folder. "
        "Checkpoints carry it, so that they need no folder.", ours=True, scored=True),
    Key("MODEL.NUM_CLASSES", 400,
        "Classes of the data set. Labels are 0 .. NUM_CLASSES - 1.", at_least=1, scored=True),
    Key("MODEL.LOSS_FUNC", "cross_entropy",
        "Loss. bce_logit: one sigmoid a class.",
        choices=("cross_entropy", "bce_logit"),
        note=" (bce wants probabilities, and the model gives logits: use bce_logit)", scored=True),
)

TIMESFORMER = (
    Key("TIMESFORMER.ATTENTION_TYPE", "divided_space_time",
        "Attention scheme of the blocks.",
        choices=("divided_space_time", "joint_space_time", "space_only", "sparse_local_global", "axial"),
        scored=True),
    Key("TIMESFORMER.PRETRAINED_MODEL", "",
        "Initial weights. Empty: the ImageNet ViT of this shape, through timm; for a model of a library, "
        "the library's own. timm/NAME: that ViT of timm. KINETICS400_V1 and the like: weights of "
        "torchvision. A path: that file, or folder of Hugging Face, of any known format. none: random "
        "values. Read only when a training starts and nothing else gives it weights.", free=True),
    Key("TIMESFORMER.PATCH_SIZE", 16, "Side of a patch, in pixels.", at_least=1, ours=True, scored=True),
    Key("TIMESFORMER.EMBED_DIM", 768, "Width of a token.", at_least=1, ours=True, scored=True),
    Key("TIMESFORMER.DEPTH", 12, "Number of blocks.", at_least=1, ours=True, scored=True),
    Key("TIMESFORMER.NUM_HEADS", 12, "Heads of each attention.", at_least=1, ours=True, scored=True),
    Key("TIMESFORMER.MLP_RATIO", 4.0,
        "Hidden width of the MLP / width of a token.", above=0, ours=True, scored=True),
    Key("TIMESFORMER.NORM_EPS", 1e-6,
        "Epsilon of the norms. CLIP: 1e-5.", at_least=0, ours=True, scored=True),
    Key("TIMESFORMER.PRE_NORM", False,
        "A norm before the first block too, as in CLIP.", ours=True, scored=True),
    Key("TIMESFORMER.TIME_EMBED_RESIZE", "nearest",
        "How time embeddings of another number of frames are resized. Published: nearest.",
        choices=("nearest", "linear"), ours=True),
    Key("TIMESFORMER.DROP_RATE", 0.0,
        "Dropout of tokens and projections.", at_least=0, below=1, ours=True),
    Key("TIMESFORMER.ATTN_DROP_RATE", 0.0,
        "Dropout of attention weights.", at_least=0, below=1, ours=True),
    Key("TIMESFORMER.DROP_PATH_RATE", 0.1,
        "Stochastic depth of the last block. The rate grows linearly from 0 in the first.",
        at_least=0, below=1, ours=True),
    Key("TIMESFORMER.LINEAR_STD", 0.02,
        "Standard deviation of the initial linear weights of the blocks. The published value suits a "
        "pretrained start. See configs/Motion for one from scratch.", at_least=0, ours=True),
    Key("TIMESFORMER.POS_EMBED_STD", 0.02,
        "Standard deviation of the initial position embedding.", at_least=0, ours=True),
    Key("TIMESFORMER.TIME_EMBED_STD", 0.0,
        "Standard deviation of the initial time embedding.", at_least=0, ours=True),
)
