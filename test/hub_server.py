"""A small Hugging Face hub on 127.0.0.1: files of one repository, and the ways it can fail.

It answers as the public one does (its HTTP API): metadata and a redirect for large files, whose
content comes from another address; X-Error-Code for refusals; byte ranges.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 10_000  # bytes; larger files are stored apart, as with git LFS


@dataclass
class Hub:
    """What the server has and does; tests change it while it runs."""

    repository: str
    files: dict[str, bytes]
    endpoint: str = ""
    storage: str = ""  # of large files: another host, as clients treat that in another way
    refusal: tuple[int, str, str] | None = None  # status, X-Error-Code, X-Error-Message
    token: str | None = None  # the only one that is let in
    hold: dict[str, int] = field(default_factory=dict)  # sent so far, the rest after `release`
    drop: dict[str, int] = field(default_factory=dict)  # sent so far, then once a lost connection
    cut: dict[str, int] = field(default_factory=dict)  # stored objects that are too short
    altered: set[str] = field(default_factory=set)  # stored objects with other bytes
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    release: threading.Event = field(default_factory=threading.Event)

    def ranges(self, name: str) -> list[str]:
        """Return the Range headers of all downloads of a file."""
        return [r for method, path, r in self.requests if method == "GET" and path.endswith(name)]


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the server for the block and fill in its address."""

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    hub.storage = f"http://localhost:{server.server_address[1]}/stored"
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _answer(self) -> None:
        hub = self.state
        hub.requests.append((self.command, self.path, self.headers.get("Range", "")))
        resolve = f"/{hub.repository}/resolve/"
        if self.path.startswith("/stored/"):
            return self._send(self.path.removeprefix("/stored/"))
        if not self.path.startswith(resolve):
            return self._refuse(404, "RepoNotFound", "Repository not found")
        if hub.refusal is not None:
            return self._refuse(*hub.refusal)
        if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self._refuse(401, "GatedRepo", "Access is restricted")
        revision, _, name = self.path.removeprefix(resolve).partition("/")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        if name not in hub.files:
            return self._refuse(404, "EntryNotFound", "Entry not found")
        content = hub.files[name]
        if len(content) <= LARGE:
            return self._send(name)
        self.send_response(302)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Location", f"{hub.storage}/{name}")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _send(self, name: str) -> None:
        hub = self.state
        content = hub.files[name]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if name in hub.altered:
            content = bytes(len(content))
        content = content[: hub.cut.get(name, len(content))]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start >= len(content) > 0:
            return self._refuse(416, "", "Range Not Satisfiable")
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{blob}"')
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return None
        part = content[start:]
        stop = hub.drop.pop(name, None) or hub.hold.get(name, 0)
        with suppress(ConnectionError):  # a client that was killed
            self.wfile.write(part[:stop])
            self.wfile.flush()
            if name in hub.hold:
                hub.release.wait()
            elif stop:
                self.close_connection = True
                return None
            self.wfile.write(part[stop:])
        return None

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()
