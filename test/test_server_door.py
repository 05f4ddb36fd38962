"""Who may come in: tokens, origins, TLS, and too many at once."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from dds_support import wait_until
from server_support import AUDIO, FRAME, HANDSHAKE, Caller, Heard, ServerInThread, calling, spoken

from personaplex_ros.cli import main
from personaplex_ros.engine import Engine
from personaplex_ros.server.limits import Limits
from personaplex_ros.server.running import tls_context

TOKEN = "correct horse"
ALLOWED = "https://robots.example"


@pytest.fixture(scope="module")
def server(small_checkpoint: Path) -> Iterator[ServerInThread]:
    engine = Engine.load(small_checkpoint, device="cpu", slots=2)
    limits = Limits(connections=40, request_s=1.0)
    with ServerInThread(
        engine, 2, tokens=("other", TOKEN), origins=(ALLOWED + "/",), limits=limits
    ) as server:
        yield server


async def hello(caller: Caller) -> Heard:
    """Talk a little."""
    await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
    await caller.speak(np.zeros(4 * FRAME, np.float32))
    return await caller.listen(spoken(0.2))


def status_of(url: str, **options: Any) -> tuple[int, str]:
    """Return the status and the words of a request."""

    async def ask() -> tuple[int, str]:
        async with aiohttp.ClientSession() as session:
            async with session.get(url.replace("ws://", "http://"), **options) as answer:
                return answer.status, await answer.text()

    return asyncio.run(ask())


def refused(url: str, **options: Any) -> int:
    """Return with which status a WebSocket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        calling(url, hello, **options)
    return error.value.status


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_only_a_known_token_lets_in(server: ServerInThread) -> None:
    assert refused(server.url()) == 401
    assert refused(server.url(), headers=bearer("wrong")) == 401
    assert refused(server.url(token=""), headers={"Authorization": "Basic abc"}) == 401
    assert not calling(server.url(), hello, headers=bearer(TOKEN)).errors
    assert not calling(server.url(token=TOKEN), hello).errors
    assert status_of(f"http://{server.host}/metrics")[0] == 401
    assert status_of(f"http://{server.host}/metrics", headers=bearer(TOKEN))[0] == 200
    status, words = status_of(server.url())
    assert status == 401 and "Authorization: Bearer TOKEN" in words
    for path in ("health", "ready"):
        assert status_of(f"http://{server.host}/{path}")[0] == 200


def test_pages_of_others_may_not_speak(server: ServerInThread) -> None:
    def origin(name: str) -> dict[str, str]:
        return bearer(TOKEN) | {"Origin": name}

    assert refused(server.url(), headers=origin("https://evil.example")) == 403
    assert refused(server.url(), headers=origin("null")) == 403
    assert "--allow-origin" in status_of(server.url(), headers=origin("https://evil.example"))[1]
    for good in (f"http://{server.host}", ALLOWED):
        assert not calling(server.url(), hello, headers=origin(good)).errors


def test_what_is_no_request_for_a_conversation_is_told_so(server: ServerInThread) -> None:
    assert status_of(server.url(token=TOKEN)) == (
        426, "this is for WebSockets: ws://.../api/chat\n",
    )  # fmt: skip
    assert status_of(server.url(token=TOKEN, text_prompt="a" * 100_000))[0] == 400
    assert status_of(f"http://{server.host}/api")[0] == 404


def test_a_thousand_connections_cost_a_conversation_nothing(server: ServerInThread) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))

    async def talk_meanwhile(caller: Caller) -> Heard:
        await caller.listen(lambda heard: HANDSHAKE in heard.kinds)
        calm = asyncio.ensure_future(caller.call(np.zeros(25 * FRAME, np.float32)))
        crowd = await asyncio.to_thread(connect_many, 1_000)
        heard = await caller.listen(lambda heard: heard.kinds.count(AUDIO) >= 24)
        await calm
        for one in crowd:
            one.close()
        return heard

    def connect_many(count: int) -> list[socket.socket]:
        crowd = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                crowd.append(socket.create_connection(("127.0.0.1", server.port), 5.0))
        return crowd

    try:
        heard = calling(server.url(token=TOKEN), talk_meanwhile)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not heard.errors and heard.kinds.count(AUDIO) <= 40
    wait_until(lambda: server.count("personaplex_turned_away_total") >= 960, 20.0)
    wait_until(lambda: not calling(server.url(token=TOKEN), hello).errors, 10.0)


def test_who_has_no_room_is_told_so_and_who_asks_nothing_is_closed(
    server: ServerInThread,
) -> None:
    time.sleep(1.0)  # the connections of before are gone
    address = ("127.0.0.1", server.port)
    idle = [socket.create_connection(address, 5.0) for _ in range(40)]
    idle[0].sendall(b"GET /api/chat HTTP/1.1\r\nHost: a")  # and no more
    wait_until(lambda: answer_of(address).startswith(b"HTTP/1.1 503"), 5.0)
    for one in idle:
        one.settimeout(10.0)
        assert one.recv(100) == b""
        one.close()
    assert not calling(server.url(token=TOKEN), hello).errors


def answer_of(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, 5.0) as one:
        one.settimeout(0.5)
        try:
            return one.recv(1000)
        except TimeoutError:
            return b""


@pytest.mark.parametrize(
    "request_line",
    [b"garbage", b"GET /api/chat?token=secret" + b"a" * 50_000 + b" HTTP/1.1", b"\x16\x03\x01\x02"],
    ids=["no HTTP", "too long", "TLS"],
)
def test_what_is_no_request_is_refused_and_not_written_down(
    server: ServerInThread, request_line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with socket.create_connection(("127.0.0.1", server.port), 5.0) as one:
        one.sendall(request_line + b"\r\nHost: a\r\n\r\n")
        assert one.recv(1000).startswith(b"HTTP/1.0 400")
    assert "Traceback" not in caplog.text and "secret" not in caplog.text
    assert all(record.levelname == "INFO" for record in caplog.records)
    assert not calling(server.url(token=TOKEN), hello).errors


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_over_tls(small_checkpoint: Path, certificate: tuple[Path, Path]) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=1)
    with ServerInThread(engine, 1, tls=tls_context(*certificate)) as server:
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        url = server.url().replace("ws://", "wss://")
        assert not calling(url, hello, ssl=trusted).errors
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            calling(url, hello)
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            calling(server.url(), hello)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--sessions", "0"], "--sessions is 0; it must be at least 1"),
        (["--port", "70000"], "--port is 70000; it must be from 0 to 65535"),
        (["--admission-share", "2"], "--admission-share is 2; it must be above 0 and at most 1"),
        (["--drain", "-1"], "--drain is -1; it must not be negative"),
        (["--tls-key", "key.pem"], "--tls-key needs --tls-cert"),
        (["--tls-cert", "nothing.pem"], "nothing.pem cannot be used for TLS"),
        (["--token-file", "nothing.txt"], "nothing.txt"),
        (["--token-file", "empty.txt"], "empty.txt has no token: write one a line"),
        (["--voice-prompt", "NOBODY"], "no voice 'NOBODY'"),
    ],
)
def test_what_cannot_be_served_is_told_before_it_is(
    words: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("# no token yet\n\n")
    assert main(["serve", *words]) == 2
    assert problem in capsys.readouterr().err
