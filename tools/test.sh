#!/usr/bin/env bash
# Sets everything up and runs the tests; arguments go to pytest, as in: bash tools/test.sh -k config
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/venv.sh
prepare_environment "[test]"
"$python" -m pytest "$@"
