"""Hold conversations with clients over the network.

The protocols are that of the public PersonaPlex and Moshi servers (/api/chat: WebSocket, Ogg-Opus)
and OpenAI's Realtime (/v1/realtime), so their clients work; docs/server.md and docs/realtime.md
describe them.
"""

from __future__ import annotations

import argparse
import asyncio

from personaplex_ros.cli.arguments.model import add_model_arguments, chosen_sampling
from personaplex_ros.cli.arguments.server import (
    add_server_arguments,
    begin_log,
    check_server_arguments,
    load_model,
    read_tokens,
    told_addresses,
)
from personaplex_ros.server.app import make_app
from personaplex_ros.server.door import Door
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import Model
from personaplex_ros.server.running import Listener, Place, tls_context
from personaplex_ros.server.running import run as run_server
from personaplex_ros.server.sessions import Sessions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_server_arguments(parser)
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    check_server_arguments(arguments)
    tokens = read_tokens(arguments.token_file)
    tls = None
    if arguments.tls_cert:
        tls = tls_context(arguments.tls_cert, arguments.tls_key)
    place = Place(arguments.host, arguments.port, tls)
    begin_log(arguments.host, bool(tokens and tls))
    model = load_model(arguments)
    asyncio.run(_serve(arguments, model, tokens, place))
    return 0


async def _serve(
    arguments: argparse.Namespace, model: Model, tokens: list[str], place: Place
) -> None:
    metrics = Metrics()
    limits = Limits()
    sessions = Sessions(model, limits, metrics, arguments.log_words)
    door = Door(tokens, arguments.allow_origin, metrics)
    app = make_app(sessions, door, chosen_sampling(arguments))

    def opened(port: int) -> None:
        times = ", ".join(f"{rows}: {1e3 * s:.0f} ms" for rows, s in model.frame_times.items())
        about = (
            f"{model.slots} conversations at a time (a frame of 80 ms takes, by conversations, "
            f"{times})"
        )
        print(told_addresses(place.host, port, place.tls is not None, about), flush=True)

    await run_server(sessions, Listener(app, limits, metrics), place, arguments.drain, opened)
