"""The page and its files, and who can be talked with."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from personaplex_ros.engine import Persona, load_persona
from personaplex_ros.resources import share_directory
from personaplex_ros.server.model import Model

INDEX = "index.html"
FILES = {
    INDEX: "text/html",
    "style.css": "text/css",
    "talk.js": "text/javascript",
    "line.js": "text/javascript",
    "history.js": "text/javascript",
    "recording.js": "text/javascript",
    "worklets.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Permissions-Policy": "microphone=(self)",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address may have a token
    "Cache-Control": "no-cache",
}


class Page:
    """Serves the page; everything that it needs lies in this package, nothing elsewhere."""

    def __init__(self, model: Model) -> None:
        folder = files(__package__)
        self._files = {name: (folder / name).read_bytes() for name in FILES}
        self._people = {"people": _people(model), "voices": model.voices}

    async def index(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        return self._answer(INDEX)

    async def file(self, request: web.Request) -> web.Response:
        """Answer with a file of the page."""
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        return self._answer(name)

    async def people(self, request: web.Request) -> web.Response:
        """Answer with the personas that are known by name, the server's own first, and voices."""
        return web.json_response(self._people)

    def _answer(self, name: str) -> web.Response:
        return web.Response(
            body=self._files[name], content_type=FILES[name], charset="utf-8", headers=HEADERS
        )


def _people(model: Model) -> list[dict[str, str | None]]:
    people = {model.default.name: model.default}
    for path in sorted((share_directory() / "config" / "personas").glob("*.yaml")):
        persona = load_persona(path)
        people.setdefault(persona.name, persona)
    return [_described(persona, model) for persona in people.values()]


def _described(persona: Persona, model: Model) -> dict[str, str | None]:
    voice = persona.voice if persona.voice in model.voices else None
    return {"name": persona.name, "text_prompt": persona.text_prompt, "voice": voice}
