"""Published keys that had no effect on a TimeSformer: accepted, ignored, and named in a warning.

They belong to models and tools that the published repository could not run (SlowFast, X3D,
detection, the demo), or were never read. A key whose other values would have asked for something
real is accepted only with the value that asks for nothing.
"""

from timesformer.config.coerce import coerce
from timesformer.errors import ConfigError

_BY_SECTION = {
    "AVA": """
        ANNOTATION_DIR BGR DETECTION_SCORE_THRESH EXCLUSION_FILE FRAME_DIR FRAME_LIST_DIR
        FULL_TEST_ON_VAL GROUNDTRUTH_FILE IMG_PROC_BACKEND LABEL_MAP_FILE TEST_FORCE_FLIP
        TEST_LISTS TEST_PREDICT_BOX_LISTS TRAIN_GT_BOX_LISTS TRAIN_LISTS TRAIN_PCA_EIGVAL
        TRAIN_PCA_EIGVEC TRAIN_PCA_JITTER_ONLY TRAIN_PREDICT_BOX_LISTS
        TRAIN_USE_COLOR_AUGMENTATION
    """,
    "BENCHMARK": "LOG_PERIOD NUM_EPOCHS SHUFFLE",
    "BN": """
        NORM_TYPE NUM_BATCHES_PRECISE NUM_SPLITS NUM_SYNC_DEVICES USE_PRECISE_STATS WEIGHT_DECAY
    """,
    "DATA": """
        AUTO_AUGMENT COLOR_JITTER CROP_SIZE DEIT_TRANSFORMS INPUT_CHANNEL_NUM RE_PROB
        TEMPORAL_EXTENT
    """,
    "DEMO": """
        BUFFER_SIZE CLIP_VIS_SIZE COMMON_CLASS_NAMES COMMON_CLASS_THRES DETECTRON2_CFG
        DETECTRON2_THRESH DETECTRON2_WEIGHTS DISPLAY_HEIGHT DISPLAY_WIDTH ENABLE FPS GT_BOXES
        INPUT_FORMAT INPUT_VIDEO LABEL_FILE_PATH NUM_CLIPS_SKIP NUM_VIS_INSTANCES OUTPUT_FILE
        OUTPUT_FPS PREDS_BOXES SLOWMO STARTING_SECOND THREAD_ENABLE UNCOMMON_CLASS_THRES VIS_MODE
        WEBCAM
    """,
    "DETECTION": "ALIGNED ENABLE ROI_XFORM_RESOLUTION SPATIAL_SCALE_FACTOR",
    "EMA": "ENABLED",
    "MODEL": """
        DROPCONNECT_RATE DROPOUT_RATE FC_INIT_STD HEAD_ACT MULTI_PATHWAY_ARCH SINGLE_PATHWAY_ARCH
    """,
    "MULTIGRID": """
        BN_BASE_SIZE DEFAULT_B DEFAULT_S DEFAULT_T EPOCH_FACTOR EVAL_FREQ LONG_CYCLE
        LONG_CYCLE_FACTORS LONG_CYCLE_SAMPLING_RATE SHORT_CYCLE SHORT_CYCLE_FACTORS
    """,
    "NONLOCAL": "GROUP INSTANTIATION LOCATION POOL",
    "RESNET": """
        DEPTH INPLACE_RELU NUM_BLOCK_TEMP_KERNEL NUM_GROUPS SPATIAL_DILATIONS SPATIAL_STRIDES
        STRIDE_1X1 TRANS_FUNC WIDTH_PER_GROUP ZERO_INIT_FINAL_BN
    """,
    "SLOWFAST": "ALPHA BETA_INV FUSION_CONV_CHANNEL_RATIO FUSION_KERNEL_SZ",
    "SOLVER": "BASE_LR_SCALE_NUM_SHARDS GAMMA STEP_SIZE WARMUP_FACTOR",
    "TENSORBOARD": """
        MODEL_VIS.ACTIVATIONS MODEL_VIS.COLORMAP MODEL_VIS.ENABLE MODEL_VIS.GRAD_CAM.COLORMAP
        MODEL_VIS.GRAD_CAM.ENABLE MODEL_VIS.GRAD_CAM.LAYER_LIST MODEL_VIS.GRAD_CAM.USE_TRUE_LABEL
        MODEL_VIS.INPUT_VIDEO MODEL_VIS.LAYER_LIST MODEL_VIS.MODEL_WEIGHTS MODEL_VIS.TOPK_PREDS
        PREDICTIONS_PATH WRONG_PRED_VIS.ENABLE WRONG_PRED_VIS.SUBSET_PATH WRONG_PRED_VIS.TAG
    """,
    "TEST": "CHECKPOINT_TYPE",
    "TRAIN": "CHECKPOINT_INFLATE CHECKPOINT_TYPE",
    "X3D": """
        BN_LIN5 BOTTLENECK_FACTOR CHANNELWISE_3x3x3 DEPTH_FACTOR DIM_C1 DIM_C5 SCALE_RES2
        WIDTH_FACTOR
    """,
}

IGNORED = frozenset(
    f"{section}.{name}" for section, names in _BY_SECTION.items() for name in names.split()
)

# key -> the only value that it may have, and what the others would ask for
HARMLESS = {
    "DETECTION.ENABLE": (False, "detection is not available"),
    "MULTIGRID.LONG_CYCLE": (False, "multigrid training cannot work with a ViT"),
    "MULTIGRID.SHORT_CYCLE": (False, "multigrid training is not available"),
    "TEST.CHECKPOINT_TYPE": ("pytorch", "Caffe2 checkpoints hold no TimeSformer"),
    "TRAIN.CHECKPOINT_INFLATE": (False, "it inflates 2-D convolutions, and a ViT has none"),
    "TRAIN.CHECKPOINT_TYPE": ("pytorch", "Caffe2 checkpoints hold no TimeSformer"),
}


def check_harmless(name: str, value: object) -> None:
    """Raise a ConfigError if ``value`` asks for something that an ignored key cannot give."""
    if name not in HARMLESS:
        return
    only, reason = HARMLESS[name]
    if coerce(name, value, only) != only:
        raise ConfigError(f"{name} is {value!r}, but {reason}; remove it or set it to {only}")
