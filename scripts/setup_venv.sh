#!/usr/bin/env bash
# Makes .venv with what the package needs ("runtime"), also what its server needs ("serve"), or also
# what its tests need ("test").
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?usage: scripts/setup_venv.sh runtime|serve|test}

supported() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

find_python() {
    # With ROS on the machine, its own Python version: rclpy is compiled for that one only.
    local ros candidates=()
    ros=$(ls -d /opt/ros/*/lib/python3.* 2>/dev/null | tail -n 1 || true)
    [ -n "$ros" ] && candidates+=("$(basename "$ros")")
    # 3.14 comes last: it lacks Cyclone DDS, which make demo and most tests need.
    candidates+=(python3.12 python3.11 python3.10 python3.13 python3)
    for candidate in "${candidates[@]}"; do
        if command -v "$candidate" >/dev/null && supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "No Python 3.10 or later was found. On Debian or Ubuntu: sudo apt install python3 python3-venv" >&2
    return 1
}

if [ ! -x .venv/bin/pip ]; then
    python=${PYTHON:-$(find_python)}
    echo "making .venv with $("$python" --version)"
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt install python3-venv" >&2
        exit 1
    fi
fi

install() {
    # shellcheck disable=SC2086  (PIP_ARGS is a list of words)
    .venv/bin/python -m pip install --quiet --disable-pip-version-check ${PIP_ARGS:-} "$@"
}

if [ "$kind" = serve ]; then
    echo "installing what the server needs"
    install -r requirements-serve.txt
elif [ "$kind" = test ]; then
    echo "installing what the tests need"
    install -r requirements-test.txt
    install --no-deps moshi==0.2.13
else
    echo "installing what the package needs (torch takes a while)"
    install -r requirements.txt
    install --no-deps --editable .
fi
touch ".venv/$kind"
