#!/usr/bin/env bash
# Trains and tests a model of each family on the motion data set, one after the other, and prints one table of them.
# Usage: bash tools/motion_models.sh [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/venv.sh
prepare_environment ""

seed=${1:-0}
out=output/Motion
[ "$seed" = 0 ] || out=output/Motion-seed$seed
"$python" tools/make_motion_dataset.py data/motion
folders=()
for recipe in spaceOnly CNN_mean CNN_max CNN_lstm CNN_flow TwoStream_late R3D_18 divST; do
    name=${recipe}_6x6_32
    "$python" tools/run_net.py --cfg "configs/Motion/$name.yaml" RNG_SEED "$seed" OUTPUT_DIR "$out/$name"
    folders+=("$out/$name")
done
echo
"$python" tools/compare_runs.py --markdown "${folders[@]}"
