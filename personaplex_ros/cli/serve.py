"""Hold conversations with clients over the network.

The protocols are that of the public PersonaPlex and Moshi servers (/api/chat: WebSocket, Ogg-Opus)
and OpenAI's Realtime (/v1/realtime), so their clients work; docs/server.md and docs/realtime.md
describe them.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from personaplex_ros.cli.model_arguments import (
    add_model_arguments,
    chosen_persona,
    chosen_sampling,
    load_engine,
)
from personaplex_ros.engine.admission import SHARE
from personaplex_ros.server.app import make_app
from personaplex_ros.server.door import Door
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.metrics import Metrics
from personaplex_ros.server.model import Model
from personaplex_ros.server.running import Listener, Place, tls_context
from personaplex_ros.server.running import run as run_server
from personaplex_ros.server.sessions import Sessions
from personaplex_ros.text_file import read_text

PORT = 8998
TOKENS = "PERSONAPLEX_TOKENS"
LOCAL = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "Persona and sampling are for clients that do not name theirs. Tokens that clients must "
        f"have\ncome from --token-file or the environment's {TOKENS}, separated by spaces."
    )
    group = parser.add_argument_group("server")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 for all of this machine (default: 127.0.0.1)",
    )
    group.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    group.add_argument(
        "--sessions", type=int, default=2, metavar="N", help="conversations at a time (default: 2)"
    )
    group.add_argument(
        "--admission-share",
        type=float,
        default=SHARE,
        metavar="X",
        help="refuse a conversation with which frames would take more than this share of their "
        f"80 ms (default: {SHARE:g})",
    )
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, for wss://")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, if in another file")
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="one of these, a line each, lets in"
    )
    group.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="other web pages that may speak with this server, such as https://robots.example; "
        "* for all",
    )
    group.add_argument(
        "--drain",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds for which conversations may go on after SIGTERM (default: 60)",
    )
    group.add_argument(
        "--log-words", action="store_true", help="write what the robot says into the log"
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    _check(arguments)
    tokens = read_tokens(arguments.token_file)
    tls = None
    if arguments.tls_cert:
        tls = tls_context(arguments.tls_cert, arguments.tls_key)
    place = Place(arguments.host, arguments.port, tls)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    if arguments.host not in LOCAL and not (tokens and tls):
        logging.warning(
            "anybody who reaches %s can listen in or speak here: give --tls-cert and --token-file",
            arguments.host,
        )
    engine = load_engine(arguments, arguments.sessions)
    persona = chosen_persona(arguments)
    model = Model(engine, arguments.sessions, persona, arguments.admission_share)
    asyncio.run(_serve(arguments, model, tokens, place))
    return 0


def read_tokens(file: Path | None) -> list[str]:
    """Return the tokens of a file, or else of the environment; raises ValueError for none in it."""
    if file is None:
        return os.environ.get(TOKENS, "").split()
    lines = (line.strip() for line in read_text(file).splitlines())
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        raise ValueError(f"{file} has no token: write one a line, or give no --token-file")
    return tokens


def _check(arguments: argparse.Namespace) -> None:
    if arguments.sessions < 1:
        raise ValueError(f"--sessions is {arguments.sessions}; it must be at least 1")
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"--port is {arguments.port}; it must be from 0 to 65535")
    if not 0.0 < arguments.admission_share <= 1.0:
        raise ValueError(
            f"--admission-share is {arguments.admission_share:g}; it must be above 0 and at most 1"
        )
    if arguments.drain < 0.0:
        raise ValueError(f"--drain is {arguments.drain:g}; it must not be negative")
    if arguments.tls_key and not arguments.tls_cert:
        raise ValueError("--tls-key needs --tls-cert")


async def _serve(
    arguments: argparse.Namespace, model: Model, tokens: list[str], place: Place
) -> None:
    metrics = Metrics()
    limits = Limits()
    sessions = Sessions(model, limits, metrics, arguments.log_words)
    door = Door(tokens, arguments.allow_origin, metrics)
    app = make_app(sessions, door, chosen_sampling(arguments))

    def opened(port: int) -> None:
        scheme = "ws" if place.tls is None else "wss"
        host = f"[{place.host}]" if ":" in place.host else place.host
        times = ", ".join(f"{rows}: {1e3 * s:.0f} ms" for rows, s in model.frame_times.items())
        print(
            f"listening at {scheme}://{host}:{port}/api/chat, {model.slots} conversations at a "
            f"time (a frame of 80 ms takes, by conversations, {times})\n"
            f"in a browser: {scheme.replace('ws', 'http')}://{host}:{port}/",
            flush=True,
        )

    await run_server(sessions, Listener(app, limits, metrics), place, arguments.drain, opened)
