"""Hold conversations with clients over the network on many GPUs of this machine, with Ray Serve.

It is `personaplex serve` many times over behind one address; docs/fleet.md describes it, also for
more machines than one.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
from collections.abc import Mapping
from typing import Any

from personaplex_ros.cli.arguments.model import add_model_arguments, chosen_sampling
from personaplex_ros.cli.arguments.server import (
    LOCAL,
    add_server_arguments,
    begin_log,
    check_server_arguments,
    load_model,
    read_tokens,
    told_addresses,
)
from personaplex_ros.server.model import Model
from personaplex_ros.server.running import tls_context

LONGEST_WAIT_S = 8.0
"""Audio of more would be ahead of its time when it is heard at last."""

RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "personaplex_ros.fleet.proxy.middlewares",
}
"""Ray would tell its makers of its use, and let whatever else runs go before its processes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_server_arguments(parser, " of each replica")
    group = parser.add_argument_group("fleet")
    group.add_argument(
        "--replicas", type=int, default=1, metavar="N", help="of the model, at least (default: 1)"
    )
    group.add_argument(
        "--most-replicas",
        type=int,
        metavar="N",
        help="where that is more than --replicas, their number follows that of the conversations",
    )
    group.add_argument(
        "--busy",
        type=float,
        default=0.7,
        metavar="X",
        help="share of the sessions that are taken on the average, above which another replica is "
        "started (default: 0.7)",
    )
    group.add_argument(
        "--start-after",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds for which there have to be too few replicas (default: 5)",
    )
    group.add_argument(
        "--end-after",
        type=float,
        default=600.0,
        metavar="S",
        help="seconds for which there have to be too many (default: 600)",
    )
    group.add_argument(
        "--gpus",
        type=float,
        metavar="X",
        help="of a replica (default: 1 where this machine has one, else 0)",
    )
    group.add_argument(
        "--cpus", type=float, default=1.0, metavar="X", help="of a replica (default: 1)"
    )
    group.add_argument(
        "--doors",
        type=int,
        default=1,
        metavar="N",
        help="processes through which clients come (default: 1)",
    )
    group.add_argument(
        "--wait",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds for which a client waits for room before it is refused (default: 5)",
    )
    group.add_argument(
        "--waiting",
        type=int,
        default=100,
        metavar="N",
        help="clients of a door that may wait so; more are refused at once (default: 100)",
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    _check(arguments)
    if arguments.tls_cert:
        tls_context(arguments.tls_cert, arguments.tls_key)  # its errors are clearer than Ray's
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    from personaplex_ros.fleet.running import Machine, serve_here

    guarded = bool(arguments.tls_cert and read_tokens(arguments.token_file))
    begin_log(arguments.host, guarded)
    most = arguments.most_replicas or arguments.replicas
    machine = Machine(
        arguments.host,
        arguments.port,
        str(arguments.tls_cert) if arguments.tls_cert else None,
        str(arguments.tls_key or arguments.tls_cert) if arguments.tls_cert else None,
        cpus=most * arguments.cpus,
        gpus=most * _gpus(arguments),
    )

    def opened(port: int) -> None:
        about = f"{arguments.replicas} replicas with {arguments.sessions} conversations each"
        tls = arguments.tls_cert is not None
        print(told_addresses(arguments.host, port, tls, about), flush=True)

    serve_here(_application(arguments, LOCAL[0]), machine, arguments.drain, opened)
    return 0


def application(content: Mapping[str, str]) -> Any:
    """Return the fleet as an application for a configuration file of Ray Serve.

    `content` has the words of the command line after ``personaplex fleet``, under ``arguments``.
    """
    parser = argparse.ArgumentParser(prog="personaplex fleet")
    add_arguments(parser)
    arguments = parser.parse_args(shlex.split(content["arguments"]))
    _check(arguments)
    return _application(arguments)


def _application(arguments: argparse.Namespace, host: str = "") -> Any:
    from personaplex_ros.fleet.application import Scale, fleet
    from personaplex_ros.fleet.replica import Work

    work = Work(
        _Model(arguments),
        chosen_sampling(arguments),
        secrets.token_urlsafe(32),
        arguments.log_words,
    )
    scale = Scale(
        arguments.replicas,
        arguments.most_replicas or arguments.replicas,
        arguments.sessions,
        arguments.busy,
        arguments.start_after,
        arguments.end_after,
        arguments.doors,
        arguments.cpus,
        _gpus(arguments),
        arguments.drain,
        arguments.wait,
        arguments.waiting,
    )
    tokens = read_tokens(arguments.token_file)
    return fleet(work, scale, tokens, arguments.allow_origin, host)


class _Model:
    """Loads the model of a replica, in the replica."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        values = {k: v for k, v in vars(arguments).items() if k != "run"}
        self._arguments = argparse.Namespace(**values)

    def __call__(self) -> Model:
        return load_model(self._arguments)


def _gpus(arguments: argparse.Namespace) -> float:
    if arguments.gpus is not None:
        return float(arguments.gpus)
    if arguments.device == "cpu":
        return 0.0
    import torch

    return float(torch.cuda.is_available())


def _check(arguments: argparse.Namespace) -> None:
    check_server_arguments(arguments)
    most = arguments.most_replicas
    if arguments.replicas < 1:
        raise ValueError(f"--replicas is {arguments.replicas}; it must be at least 1")
    if most is not None and most < arguments.replicas:
        raise ValueError(
            f"--most-replicas is {most}; it must be at least --replicas ({arguments.replicas})"
        )
    if arguments.doors < 1:
        raise ValueError(f"--doors is {arguments.doors}; it must be at least 1")
    if not 0.0 < arguments.busy <= 1.0:
        raise ValueError(f"--busy is {arguments.busy:g}; it must be above 0 and at most 1")
    if not 0.0 <= arguments.wait <= LONGEST_WAIT_S:
        raise ValueError(f"--wait is {arguments.wait:g}; it must be from 0 to {LONGEST_WAIT_S:g}")
    if arguments.waiting < 1:
        raise ValueError(f"--waiting is {arguments.waiting}; it must be at least 1")
    for name in ("start_after", "end_after", "cpus", "gpus"):
        value = getattr(arguments, name)
        if value is not None and value < 0.0:
            raise ValueError(f"--{name.replace('_', '-')} is {value:g}; it must not be negative")
    if arguments.device.startswith("cuda:"):
        raise ValueError(
            f"--device is {arguments.device}, but Ray gives each replica a GPU of its own: use cuda"
        )
