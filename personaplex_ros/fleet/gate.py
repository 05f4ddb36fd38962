"""The one address of a fleet: both protocols, the page, health and metrics of all replicas."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from personaplex_ros.fleet.farewell import CHAT, REALTIME, Sent
from personaplex_ros.fleet.merged import merged
from personaplex_ros.fleet.passage import Passage, Receive, Send
from personaplex_ros.fleet.replicas import Replicas, Unreachable
from personaplex_ros.server.door import Door, Objection
from personaplex_ros.server.realtime.talk import SUBPROTOCOL

PASSED_ON = ("/", "/web/", "/api/people")
"""What any replica answers as well as another."""
PROTECTED = ("/api/people", "/metrics")
KEPT_HEADERS = (
    "content-type", "content-security-policy", "permissions-policy", "x-content-type-options",
    "referrer-policy", "cache-control",
)  # fmt: skip
NOBODY = "no replica of this fleet is there yet; come back later\n"


class Gate:
    """An application of ASGI, for whom the door lets in."""

    def __init__(self, replicas: Replicas, door: Door) -> None:
        self._replicas = replicas
        self._door = door

    async def __call__(self, scope: Sent, receive: Receive, send: Send) -> None:
        """Serve a request or a connection."""
        if scope["type"] == "http":
            await self._serve(scope, send)
        elif scope["type"] == "websocket":
            await self._talk(scope, receive, send)
        else:
            await _live(receive, send)

    async def _talk(self, scope: Sent, receive: Receive, send: Send) -> None:
        await receive()  # that somebody connects
        query = _query(scope)
        if scope["path"] not in (CHAT, REALTIME):
            await _deny(scope, send, Objection(404, "there is nothing here\n", {}))
            return
        if (objection := self._door.objection(_headers(scope), query)) is not None:
            await _deny(scope, send, objection)
            return
        query.pop("token", None)
        spoken = [SUBPROTOCOL] if SUBPROTOCOL in scope.get("subprotocols", ()) else []
        await send({"type": "websocket.accept", "subprotocol": spoken[0] if spoken else None})
        await Passage(self._replicas, scope["path"], query, spoken, receive, send).hold()

    async def _serve(self, scope: Sent, send: Send) -> None:
        path = scope["path"]
        objection = self._door.objection(_headers(scope), _query(scope))
        if scope["method"] != "GET":
            await _answer(send, 405, "only GET is known here\n")
        elif path in (CHAT, REALTIME):
            await _answer(send, 426, f"this is for WebSockets: ws://...{path}\n")
        elif objection is not None and path in PROTECTED:
            await _answer(send, objection.status, objection.words, headers=objection.headers)
        elif path in ("/health", "/ready"):
            await self._tell(path, send)
        elif path == "/metrics":
            await self._metrics(send)
        elif path in PASSED_ON or path.startswith("/web/"):
            await self._pass_on(path, send)
        else:
            await _answer(send, 404, "there is nothing here\n")

    async def _tell(self, path: str, send: Send) -> None:
        """Answer how the fleet is: healthy with a replica, ready with one that has room."""
        reports = await self._replicas.there()
        about: dict[str, object] = {
            "replicas": len(reports),
            "sessions": sum(report.sessions for report in reports),
            "most_sessions": sum(report.slots for report in reports),
        }
        free = any(not report.obstacle for report in reports)
        good = bool(reports) if path == "/health" else free
        about["healthy" if path == "/health" else "ready"] = good
        if not good:
            about["why"] = NOBODY.strip() if not reports else reports[0].obstacle
        await _answer(send, 200 if good else 503, json.dumps(about), "application/json")

    async def _metrics(self, send: Send) -> None:
        """Answer with the metrics of all replicas, told apart by their names."""
        reports = await self._replicas.there()
        answers = await asyncio.gather(
            *(self._replicas.fetch(report.address, "/metrics") for report in reports),
            return_exceptions=True,
        )
        exposed = {
            report.replica: answer[1].decode()
            for report, answer in zip(reports, answers, strict=True)
            if not isinstance(answer, BaseException)
        }
        kind = "text/plain; version=0.0.4; charset=utf-8"
        await _answer(send, 200, merged(exposed).decode(), kind)

    async def _pass_on(self, path: str, send: Send) -> None:
        for report in await self._replicas.there():
            try:
                status, body, headers = await self._replicas.fetch(report.address, path)
            except Unreachable:
                continue
            kept = {k: v for k, v in headers.items() if k.lower() in KEPT_HEADERS}
            await _answer(send, status, body, headers=kept)
            return
        await _answer(send, 503, NOBODY, headers={"Retry-After": "5"})


def _headers(scope: Sent) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _query(scope: Sent) -> dict[str, str]:
    text = scope.get("query_string", b"").decode("latin-1")
    return dict(reversed(parse_qsl(text, keep_blank_values=True)))  # of two, the first counts


async def _answer(
    send: Send,
    status: int,
    body: str | bytes,
    kind: str = "text/plain; charset=utf-8",
    headers: dict[str, str] | None = None,
) -> None:
    content = body.encode() if isinstance(body, str) else body
    lines = {"content-type": kind, "content-length": str(len(content))}
    lines |= {name.lower(): value for name, value in (headers or {}).items()}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


async def _deny(scope: Sent, send: Send, objection: Objection) -> None:
    """Answer a WebSocket that is not accepted: with words where that can be, else with 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": objection.words.strip()})
        return

    async def prefixed(message: Sent) -> None:
        await send(message | {"type": f"websocket.{message['type']}"})

    await _answer(prefixed, objection.status, objection.words, headers=objection.headers)


async def _live(receive: Receive, send: Send) -> None:
    """Say yes to the begin and the end of the process."""
    while True:
        kind: Any = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
