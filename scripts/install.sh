#!/usr/bin/env bash
# Make .venv where it is missing and install one hashed lock file into it: scripts/install.sh requirements.lock
set -euo pipefail
cd "$(dirname "$0")/.."
lock=$1

say() { printf '%s\n' "$*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local name
    for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if is_new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    say "Python 3.11 or newer is needed, and none was found (set PYTHON=/path/to/python)."
    exit 1
}

# Debian keeps what `python -m venv` needs in a package of its own.
add_venv() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "$1 lacks the venv module. Install it first: apt-get install python3-venv"
        exit 1
    fi
    say "Installing the Debian package python3-venv …"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null
    apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
}

if ! is_new_enough .venv/bin/python; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || add_venv "$python"
    say "Making .venv with $("$python" -V) …"
    rm -rf .venv
    "$python" -m venv .venv
fi

say "Installing $lock into .venv …"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock"
