"""The page in a browser whose microphone is a wave file: somebody asks the bundled model."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import av
import numpy as np
import pytest
from dds_support import wait_until
from playwright.sync_api import Page, expect, sync_playwright
from server_support import ServerInThread, serving

from personaplex_ros.engine import Engine
from personaplex_ros.resources import share_directory

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium"),
]

CALLER = share_directory() / "config" / "demo" / "caller.wav"
PHONE = {"width": 390, "height": 844}


@contextmanager
def page_at(url: str, *arguments: str, microphone: bool = True) -> Iterator[Page]:
    """Open a page whose errors are the test's; its microphone hears the demo's caller once."""
    fakes = ["--use-fake-device-for-media-stream",
             f"--use-file-for-fake-audio-capture={CALLER}%noloop"]  # fmt: skip
    fakes += ["--use-fake-ui-for-media-stream"] if microphone else ["--deny-permission-prompts"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", *fakes, *arguments]
        )
        page = browser.new_context().new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        yield page
        browser.close()
    assert not errors


def test_somebody_talks_from_a_browser_and_takes_the_recording_along(tmp_path: Path) -> None:
    with serving("--sessions", "1") as (url, server):
        with page_at(url.replace("ws://", "http://")) as page:
            expect(page.locator("#voice")).to_have_value("NATF2")
            assert "Nova Labs" in page.input_value("#prompt")
            page.check("#consent")
            page.focus("#talk")
            page.keyboard.press("Enter")
            page.wait_for_selector("#talk[data-talking=true]", timeout=30_000)
            expect(page.locator("#words")).to_contain_text("second floor", timeout=30_000)
            expect(page.locator("#answer")).to_contain_text(" s", timeout=30_000)
            expect(page.locator("#network")).to_contain_text(" ms")
            assert float(page.inner_text("#answer").removesuffix(" s")) < 1.0
            # What a screen reader says aloud, the microphone hears.
            assert page.get_attribute("#words", "aria-live") == "off"
            assert page.get_attribute("#state", "aria-live") == "off"
            page.wait_for_timeout(2_000)
            page.keyboard.press("Enter")
            page.wait_for_selector("#after:not([hidden])")
            assert page.get_attribute("#state", "aria-live") == "polite"
            for link, name in (("#sound", "conversation.webm"), ("#happened", "conversation.json")):
                with page.expect_download() as download:
                    page.click(link)
                assert download.value.suggested_filename == name
                download.value.save_as(tmp_path / name)
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert page.inner_text("#problem") == ""
        server.terminate()
    person, robot = recorded(tmp_path / "conversation.webm")
    assert np.abs(person).max() > 0.1 and np.abs(robot).max() > 0.1
    assert abs(np.corrcoef(person, robot)[0, 1]) < 0.1  # each has a side of its own
    told = json.loads((tmp_path / "conversation.json").read_text())
    assert "second floor" in "".join(word["piece"] for word in told["words"])
    assert {"user_started", "robot_started"} <= {event["kind"] for event in told["events"]}


def recorded(path: Path) -> np.ndarray:
    """Return both sides of a recording, float32 [2, n]."""
    with av.open(path) as file:
        sides = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
    assert sides.shape[0] == 2 and sides.dtype == np.float32
    return sides


def test_nobody_is_kept_by_a_server_that_answers_no_more() -> None:
    with serving("--sessions", "1") as (url, server):
        address = url.replace("ws://", "http://")
        with page_at(address) as page:
            expect(page.locator("#voice")).to_have_value("NATF2")
            page.click("#talk")
            page.wait_for_selector("#talk[data-talking=true]", timeout=30_000)
            expect(page.locator("#answer")).to_contain_text(" s", timeout=30_000)
            server.send_signal(signal.SIGSTOP)
            page.click("#talk")
            expect(page.locator("#talk")).to_have_attribute("data-talking", "false", timeout=2_000)
            page.click("#talk")
            expect(page.locator("#state")).to_contain_text("Press again")
            assert " s" not in page.inner_text("#answer")
            page.click("#talk")
            expect(page.locator("#state")).to_have_text("Nobody is listening.", timeout=2_000)
            server.send_signal(signal.SIGCONT)
            # It has yet to see that the conversation is over, and who came and went meanwhile.
            wait_until(lambda: page.request.get(f"{address}/ready").status == 200)
            page.click("#talk")
            page.wait_for_selector("#talk[data-talking=true]", timeout=30_000)
            page.wait_for_timeout(1_000)
            server.send_signal(signal.SIGINT)
            expect(page.locator("#problem")).to_contain_text("the server ends", timeout=10_000)
            expect(page.locator("#talk")).to_have_attribute("data-talking", "false")


def test_what_stands_in_the_way_is_said(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=1)
    with ServerInThread(engine, 1, tokens=("secret",)) as server:
        with page_at(f"http://{server.host}/") as page:
            expect(page.locator("#problem")).to_contain_text("a token is needed")
        with page_at(f"http://{server.host}/?token=secret", microphone=False) as page:
            expect(page.locator("#people")).to_contain_text("host")
            page.click("#talk")
            expect(page.locator("#problem")).to_contain_text("no microphone: allow it")
            expect(page.locator("#talk")).to_have_attribute("aria-busy", "false")


def test_what_is_too_loud_is_cut(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=1)
    with ServerInThread(engine, 1) as server, page_at(f"http://{server.host}/") as page:
        samples = page.evaluate(
            """async () => {
                const { toInt16 } = await import("/web/line.js");
                return [...toInt16(new Float32Array([1.1, -1.1, 0.5]))];
            }"""
        )
    assert samples == [32767, -32768, 16384]


COUNT_PICTURES = """async () => {
    const { History } = await import("/web/history.js");
    const draw = History.prototype.draw;
    globalThis.pictures = 0;
    History.prototype.draw = function (...all) { globalThis.pictures++; draw.apply(this, all); };
}"""
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def pictures(page: Page, milliseconds: int = 500) -> int:
    """Return how many are drawn in that time."""
    page.evaluate("globalThis.pictures = 0")
    page.wait_for_timeout(milliseconds)
    return int(page.evaluate("globalThis.pictures"))


def test_it_draws_what_is_new_and_seen_and_keeps_a_recording_as_long_as_it_may_be(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=1)
    with ServerInThread(engine, 1) as server, page_at(f"http://{server.host}/") as page:
        expect(page.locator("#people")).to_contain_text("host")
        page.evaluate(COUNT_PICTURES)
        page.evaluate("import('/web/recording.js').then((m) => { m.Recording.most = 4000; })")
        assert pictures(page) == 0
        page.check("#consent")
        page.click("#talk")
        page.wait_for_selector("#talk[data-talking=true]", timeout=30_000)
        assert pictures(page) > 2
        page.evaluate(HIDE, True)
        page.wait_for_timeout(100)
        assert pictures(page) == 0
        page.evaluate(HIDE, False)
        assert pictures(page) > 2
        expect(page.locator("#state")).to_contain_text("The recording is full", timeout=10_000)
        assert page.get_attribute("#talk", "data-talking") == "true"
        page.click("#talk")
        page.wait_for_timeout(100)
        assert pictures(page) == 0
        with page.expect_download() as download:
            page.click("#sound")
        download.value.save_as(tmp_path / "begin.webm")
    assert 20_000 < recorded(tmp_path / "begin.webm").shape[1] < 10 * 48_000


def test_nothing_but_its_own_files_is_served(small_checkpoint: Path) -> None:
    engine = Engine.load(small_checkpoint, device="cpu", slots=1)

    async def status(server: ServerInThread, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{server.host}{path}") as answer:
                return answer.status, answer.headers.get("Content-Security-Policy", "")

    with ServerInThread(engine, 1) as server:
        for path in ("/web/page.py", "/web/..%2fapp.py", "/web/", "/web/__init__.py"):
            assert server.in_loop(status(server, path))[0] == 404
        assert server.in_loop(status(server, "/web/talk.js"))[0] == 200
        found, policy = server.in_loop(status(server, "/"))
        assert found == 200 and "default-src 'self'" in policy
