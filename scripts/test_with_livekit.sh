#!/usr/bin/env bash
# Lets LiveKit's client of PersonaPlex talk with the server. It has an environment of its own, since
# it pins other versions than this package: .venv/livekit, which needs a network once.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=.venv/livekit
if [ ! -x "$environment/bin/pip" ]; then
    .venv/bin/python -m venv "$environment"
fi
# shellcheck disable=SC2086  (PIP_ARGS is a list of words)
"$environment/bin/pip" install --quiet --disable-pip-version-check ${PIP_ARGS:-} \
    "livekit-plugins-nvidia[personaplex]==1.8.9"
.venv/bin/python -m pytest -p no:launch_testing -p no:launch_ros test/test_server_livekit.py
