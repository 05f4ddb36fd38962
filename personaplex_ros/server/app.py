"""The server's addresses."""

from __future__ import annotations

from aiohttp import web

from personaplex_ros.engine import Sampling
from personaplex_ros.server.door import Door
from personaplex_ros.server.moshi.chat import Chats
from personaplex_ros.server.realtime.talk import Talks
from personaplex_ros.server.sessions import Sessions
from personaplex_ros.server.web.page import Page

STALLED_S = 10.0
"""Time without a frame of the model, though one is due, after which the server counts as ill."""


def make_app(sessions: Sessions, door: Door, sampling: Sampling) -> web.Application:
    """Return an application that serves these sessions to whom the door lets in."""
    app = web.Application()
    state = _State(sessions)
    app.router.add_get("/api/chat", door.guarded(Chats(sessions, sampling).serve))
    app.router.add_get("/v1/realtime", door.guarded(Talks(sessions, sampling).serve))
    page = Page(sessions.model)
    app.router.add_get("/", page.index)
    app.router.add_get("/web/{name}", page.file)
    app.router.add_get("/api/people", door.guarded(page.people))
    app.router.add_get("/metrics", door.guarded(state.metrics))
    app.router.add_get("/health", state.health)
    app.router.add_get("/ready", state.ready)
    return app


class _State:
    """Tells how the server is, to those who watch it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def health(self, request: web.Request) -> web.Response:
        """Answer 200 while the model works, 503 when it should be started anew."""
        stalled_s = self._sessions.stalled_s
        if stalled_s > STALLED_S:
            why = f"the model has not come back for {stalled_s:.0f} s"
            return web.json_response({"healthy": False, "why": why}, status=503)
        return web.json_response({"healthy": True})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 while a conversation may begin, else 503."""
        obstacle = self._sessions.obstacle
        about: dict[str, object] = {"ready": obstacle is None, "sessions": self._sessions.open}
        about["most_sessions"] = self._sessions.model.slots
        if obstacle is not None:
            about["why"] = obstacle.words
        return web.json_response(about, status=200 if obstacle is None else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer with what Prometheus reads."""
        return web.Response(
            body=self._sessions.metrics.exposed(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
