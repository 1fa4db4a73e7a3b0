#!/bin/sh
# Makes .venv with what this project needs, at the versions of constraints.txt.
# Usage: scripts/env.sh EXTRA   (demo, dev, …). PYTHON=python3.12 picks the interpreter.
set -eu
cd "$(dirname "$0")/.."
extra="${1:?which extra: demo or dev}"
venv="${VENV:-.venv}"

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        echo "this needs root: $*" >&2
        return 1
    fi
}

find_python() {
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python) || {
        echo "Python 3.11, 3.12 or 3.13 is needed; install one, or say which: make PYTHON=/path/to/python" >&2
        exit 1
    }
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        echo "installing ${version}-venv, which this Python comes without" >&2
        as_root apt-get update -qq || true
        as_root apt-get install -y -qq "${version}-venv" || as_root apt-get install -y -qq python3-venv
    fi
    "$python" -m venv "$venv"
fi

echo "installing sluiceway[$extra] into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extra]"
# pip compiles what it installs, not the folder of an editable install; with PYTHONDONTWRITEBYTECODE set
# every run would compile it again
"$venv/bin/python" -m compileall -q src
