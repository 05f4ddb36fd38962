"""Arguments of what serves conversations over the network, be it one server or a fleet."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from personaplex_ros.cli.arguments.model import chosen_persona, load_engine
from personaplex_ros.engine.admission import SHARE
from personaplex_ros.server.model import Model
from personaplex_ros.text_file import read_text

PORT = 8998
TOKENS = "PERSONAPLEX_TOKENS"
LOCAL = ("127.0.0.1", "localhost", "::1")
EPILOGUE = (
    "Persona and sampling are for clients that do not name theirs. Tokens that clients must "
    f"have\ncome from --token-file or the environment's {TOKENS}, separated by spaces."
)


def add_server_arguments(parser: argparse.ArgumentParser, sessions_of: str = "") -> None:
    """Declare the options; `sessions_of` says in the help whose number of sessions it is."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOGUE
    group = parser.add_argument_group("server")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 for all of this machine (default: 127.0.0.1)",
    )
    group.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    group.add_argument(
        "--sessions",
        type=int,
        default=2,
        metavar="N",
        help=f"conversations at a time{sessions_of} (default: 2)",
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


def read_tokens(file: Path | None) -> list[str]:
    """Return the tokens of a file, or else of the environment; raises ValueError for none in it."""
    if file is None:
        return os.environ.get(TOKENS, "").split()
    lines = (line.strip() for line in read_text(file).splitlines())
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        raise ValueError(f"{file} has no token: write one a line, or give no --token-file")
    return tokens


def check_server_arguments(arguments: argparse.Namespace) -> None:
    """Raise ValueError, which says what has to be another."""
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


def load_model(arguments: argparse.Namespace) -> Model:
    """Load the model that conversations are held with; raises what loading raises."""
    engine = load_engine(arguments, arguments.sessions)
    persona = chosen_persona(arguments)
    return Model(engine, arguments.sessions, persona, arguments.admission_share)


def begin_log(host: str, guarded: bool) -> None:
    """Begin to write the log, with a warning where anybody could come."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    if host not in LOCAL and not guarded:
        logging.warning(
            "anybody who reaches %s can listen in or speak here: give --tls-cert and --token-file",
            host,
        )


def told_addresses(host: str, port: int, tls: bool, about: str) -> str:
    """Return where it is listened, with something about it, and where a browser goes."""
    scheme = "wss" if tls else "ws"
    place = f"[{host}]" if ":" in host else host
    return (
        f"listening at {scheme}://{place}:{port}/api/chat, {about}\n"
        f"in a browser: {scheme.replace('ws', 'http')}://{place}:{port}/"
    )
