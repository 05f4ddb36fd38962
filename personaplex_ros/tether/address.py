"""Where a model runs elsewhere, from the parameter `engine`, and what it takes to get in."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

PATH = "/api/chat"
PORTS = {"ws": 80, "wss": 443}
LARGEST_TOKEN = 8_192  # characters


@dataclass(frozen=True)
class Address:
    """A server of the Moshi protocol.

    text: as it may be shown, without what its query holds. token: what it is asked for with, empty
    for none. trust: what certificates of `wss` are checked by.
    """

    text: str
    url: str
    token: str
    trust: ssl.SSLContext | None

    def with_query(self, query: Mapping[str, str]) -> str:
        """Return the address of a conversation; what the address itself asks for wins."""
        parts = urlsplit(self.url)
        own = parse_qsl(parts.query, keep_blank_values=True)
        return urlunsplit(parts._replace(query=urlencode([*({**query, **dict(own)}).items()])))

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def read_address(engine: str, token_file: str = "", ca_file: str = "") -> Address:
    """Read where a server is; without a path it is `/api/chat`.

    token_file: of one line, the token. ca_file: certificates (PEM) that are trusted besides the
    system's, as that which a server has signed itself. Raises ValueError naming value and remedy.
    """
    try:
        parts = urlsplit(engine)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"engine is {engine!r}: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname or parts.fragment:
        raise ValueError(f"engine is {engine!r}; it must be ws://HOST:PORT or wss://HOST:PORT")
    if parts.username or parts.password:
        raise ValueError("engine has a user or password in it; put a token into tether_token_file")
    if ca_file and parts.scheme == "ws":
        raise ValueError("tether_ca_file is for wss:// and engine is ws://; leave one of them out")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = f"{parts.scheme}://{host}:{port or PORTS[parts.scheme]}{parts.path or PATH}"
    return Address(
        shown,
        urlunsplit(parts._replace(path=parts.path or PATH)),
        _token(token_file),
        _trust(ca_file) if parts.scheme == "wss" else None,
    )


def _token(file: str) -> str:
    if not file:
        return ""
    try:
        token = Path(file).expanduser().read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"tether_token_file {file} cannot be read: {error}") from error
    if not token or len(token) > LARGEST_TOKEN or not token.isprintable() or " " in token:
        raise ValueError(f"tether_token_file {file} must hold one token, and nothing else")
    return token


def _trust(file: str) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if file:
        try:
            trust.load_verify_locations(Path(file).expanduser())
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                f"tether_ca_file {file} holds no certificates that can be read (PEM): {error}"
            ) from error
    return trust
