# Sourced by quickstart.sh and test.sh: makes .venv in the repository and installs the project there.
# PYTHON chooses the interpreter. Leaves the path of the environment's interpreter in $python.

fail() {
    echo "error: $*" >&2
    exit 1
}

# prepare_environment EXTRAS: "" or "[test]"
prepare_environment() {
    local base=${PYTHON:-}
    if [ -z "$base" ]; then
        base=$(command -v python3 || command -v python) ||
            fail "no python3 found; install Python 3.10 or newer"
    fi
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "$base is $("$base" --version 2>&1), but Python 3.10 or newer is needed;" \
            "install one and name it: PYTHON=python3.12 bash $0"

    local bin=.venv/bin
    if [ ! -e .venv/bin/python ] && [ ! -e .venv/Scripts/python.exe ]; then
        "$base" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$base has no venv module; install it: sudo apt-get install python3-venv"
        echo "making .venv with $("$base" --version)"
        "$base" -m venv .venv
    fi
    [ -e .venv/Scripts/python.exe ] && bin=.venv/Scripts
    python=$bin/python

    local stamp=.venv/installed"$1"
    if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
        echo "installing into .venv (PyTorch is large: this takes minutes, once)"
        "$python" -m pip install --quiet --disable-pip-version-check --editable ".$1"
        touch "$stamp"
    fi
}
