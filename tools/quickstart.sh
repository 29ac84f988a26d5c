#!/usr/bin/env bash
# Sets everything up, then shows a TimeSformer learn motion on a CPU, and a model that cannot.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/venv.sh
prepare_environment ""

"$python" tools/make_motion_dataset.py data/motion
"$python" tools/run_net.py --cfg configs/Motion/divST_6x6_32.yaml
"$python" tools/run_net.py --cfg configs/Motion/spaceOnly_6x6_32.yaml
echo
"$python" tools/compare_runs.py output/Motion/divST_6x6_32 output/Motion/spaceOnly_6x6_32
