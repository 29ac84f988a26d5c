#!/usr/bin/env bash
# Sets everything up and runs the tests on all cores; arguments go to pytest: bash tools/test.sh -k config
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/venv.sh
prepare_environment "[test]"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"  # one process a core: threads would only wait for another
"$python" -m pytest --numprocesses auto --dist worksteal "$@"
