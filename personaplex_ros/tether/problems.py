"""What is wrong with a connection, in words."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp

AGAIN_LATER = (408, 425, 429, 500, 502, 503, 504)
"""HTTP: the same request may be answered another time."""
NOT_AS_ASKED = (1002, 1003, 1007, 1008, 1009)
"""Codes of a WebSocket's closing: what was asked for or sent is wrong."""
LARGEST_WORDS = 500
REMEDIES = {
    401: "it wants a token: name a file that holds it by tether_token_file",
    403: "it does not let this node in",
    404: "it has no such path; engine must end as the server wants it, most often in /api/chat",
}


class LinkProblem(Exception):
    """Why a connection did not come about, or broke; `refused`: because the server does not want.

    What is refused once will be refused again, unless somebody changes something. `otherwise`: it
    is asked for in another way next.
    """

    def __init__(self, words: str, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused
        self.otherwise = False

    def try_otherwise(self) -> None:
        """Note that what was refused is asked for in another way next."""
        self.refused, self.otherwise = False, True


def words_of(payload: bytes) -> str:
    """Return what a server says, fit for a line of a log."""
    text = payload.decode(errors="replace")
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown.strip()[:LARGEST_WORDS] or "it does not say why"


def closed(code: int | None, reason: str) -> LinkProblem:
    """Return what the end of a connection is about."""
    why = words_of(reason.encode()) if reason else "it does not say why"
    known = "" if code in (None, 1006) else f", code {code}"
    return LinkProblem(f"the server has closed the connection ({why}{known})", code in NOT_AS_ASKED)


def problem_of(error: BaseException) -> LinkProblem:
    """Return what an error of the network means."""
    if isinstance(error, LinkProblem):
        return error
    if isinstance(error, aiohttp.WSServerHandshakeError):
        remedy = REMEDIES.get(error.status, "it does not speak this protocol there")
        again = error.status in AGAIN_LATER
        remedy = "it cannot answer now" if again else remedy
        return LinkProblem(f"the server answers with HTTP {error.status}: {remedy}", not again)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return LinkProblem(
            f"its certificate is not trusted ({error}); name the file of one that is by "
            "tether_ca_file",
            refused=True,
        )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return LinkProblem(f"no TLS with it ({error}); does the server speak ws:// only?", True)
    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        return LinkProblem("it cannot be reached: no answer in time")
    return LinkProblem(f"it cannot be reached: {error or type(error).__name__}")
