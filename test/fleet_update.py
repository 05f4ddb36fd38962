"""Brings a fleet up from a configuration of Ray Serve and, when told to, another; by hand or test.

``python test/fleet_update.py PORT WORDS...`` prints "up", and "updated" when a line has come and
the second configuration, in which nothing but the seed is another, is in force.
"""

from __future__ import annotations

import os
import sys

from personaplex_ros.cli.fleet import RAY_SETTINGS

os.environ |= RAY_SETTINGS  # before Ray is imported

import ray
from ray import serve
from ray.serve.schema import ServeDeploySchema


def deploy(words: str) -> None:
    """Apply what would stand in a file of configuration, and wait until it is in force."""
    from ray.serve._private.api import _get_global_client

    application = {
        "name": "personaplex",
        "route_prefix": "/",
        "import_path": "personaplex_ros.cli.fleet:application",
        "args": {"arguments": words},
    }
    config = ServeDeploySchema.model_validate({"applications": [application]})
    _get_global_client().deploy_apps(config, _blocking=True)


def main() -> None:
    port, words = int(sys.argv[1]), " ".join(sys.argv[2:])
    ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False,
             object_store_memory=80 << 20)  # fmt: skip
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        deploy(words)
        print("up", flush=True)
        sys.stdin.readline()
        deploy(f"{words} --seed 1")
        print("updated", flush=True)
        sys.stdin.readline()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
