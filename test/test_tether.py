"""The session with a model elsewhere: over a server of the test's own, whole and with faults."""

# ruff: noqa: D102

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from moshi_server import FRAME, RATE, MoshiServer, moshi_server

from personaplex_ros.conversing import Sampling
from personaplex_ros.persona import Persona
from personaplex_ros.tether import Tether, TetherEngine, read_address
from personaplex_ros.tether.delay import LONGEST_S, DelayMeter
from personaplex_ros.tether.jitter import PATIENCE_S, JitterBuffer
from personaplex_ros.tether.session import TetherSession

pytestmark = pytest.mark.usefixtures("impatient")

FRAME_S = FRAME / RATE
MAYA = Persona("maya", "Your name is Maya.", "NATF2")


class Caller:
    """Pushes frames of a tone at their pace, and keeps what comes."""

    def __init__(self, server: MoshiServer, persona: Persona = MAYA, **tether: object) -> None:
        self.engine = TetherEngine(read_address(server.address), Tether(**tether))
        self.session: TetherSession = self.engine.open(self.engine.prepare(persona), seed=5)
        self.levels: list[float] = []
        self.text = ""
        self.news: list[str] = []
        self._due_s = time.monotonic()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def push(self, frames: int = 1, loud: bool = True) -> None:
        for _ in range(frames):
            self._due_s = max(self._due_s + FRAME_S, time.monotonic() - FRAME_S)
            time.sleep(max(0.0, self._due_s - time.monotonic()))
            tone = 0.2 * np.sin(0.1 * np.arange(FRAME)) * loud
            result = self.session.push(tone.astype(np.float32))
            assert result.audio.shape == (FRAME,) and result.audio.dtype == np.float32
            self.levels.append(float(np.abs(result.audio).max()))
            self.text += result.piece
            self.news += [text for _, text in self.session.news()]

    def until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, self.session.snapshot()
            self.push()

    def talks(self) -> None:
        """See that speech comes now."""
        self.levels.clear()
        self.until(lambda: self.levels and self.levels[-1] > 0.1)


def test_what_is_heard_goes_up_and_speech_and_words_come_down(server: MoshiServer) -> None:
    with Caller(server) as caller:
        caller.until(lambda: caller.text.startswith(" word4 word9 word14"))
        assert np.median(caller.levels) > 0.1
        known = caller.session.snapshot()
        assert known.state == "talking" and not known.lost and known.connections == 1
        assert 0.0 < known.answer_s < 1.0 and known.round_trip_s < 1.0
        assert known.waiting_s <= 0.5
    visit = server.visits[0]
    assert server.hung_up(visit) == 1000 and visit.frames >= 14
    assert visit.query["text_prompt"] == MAYA.text_prompt and visit.query["seed"] == "5"
    assert visit.query["voice_prompt"] == "NATF2" and visit.query["text_topk"] == "25"


def test_greedy_is_asked_for_as_the_one_most_likely_token(server: MoshiServer) -> None:
    engine = TetherEngine(read_address(server.address), Tether())
    engine.open(engine.prepare(MAYA), Sampling(greedy=True)).close()
    assert server.visits[0].query["text_topk"] == server.visits[0].query["audio_topk"] == "1"


def test_a_token_is_shown_at_the_door_and_nowhere_else(server: MoshiServer, tmp_path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    address = read_address(server.address + "?room=7", str(tmp_path / "token"))
    engine = TetherEngine(address, Tether())
    engine.open(engine.prepare(MAYA)).close()
    assert server.visits[0].token == "Bearer s3cret" and server.visits[0].query["room"] == "7"
    assert "s3cret" not in address.text and "room" not in address.text


@pytest.mark.parametrize(
    ("engine", "files", "words"),
    [
        ("http://robot:1", ("", ""), "must be ws://HOST:PORT or wss://HOST:PORT"),
        ("ws://host:port", ("", ""), "engine is 'ws://host:port'"),
        ("wss://me:secret@host", ("", ""), "tether_token_file"),
        ("ws://host", ("/none/token", ""), "tether_token_file /none/token cannot be read"),
        ("wss://host", ("", "/none/ca"), "tether_ca_file /none/ca"),
        ("ws://host", ("", "/none/ca"), "tether_ca_file is for wss://"),
    ],
)
def test_an_address_that_cannot_be_is_refused(engine: str, files, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_address(engine, *files)


def test_a_voice_of_this_machine_is_refused_and_so_is_a_sentence(server: MoshiServer) -> None:
    engine = TetherEngine(read_address(server.address), Tether())
    with pytest.raises(ValueError, match="is a file of this machine"):
        engine.prepare(Persona("maya", "", "/voices/maya.wav"))
    with pytest.raises(ValueError, match="has no request to say"):
        engine.check_text("Hello")


def test_a_certificate_that_is_not_trusted_is_told_and_one_that_is_lets_in(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with moshi_server(tls) as server:
        stranger = TetherEngine(read_address(server.address), Tether())
        with pytest.raises(RuntimeError, match=r"not trusted.*tether_ca_file"):
            stranger.open(stranger.prepare(Persona("nobody")))
        known = TetherEngine(read_address(server.address, ca_file=str(certificate)), Tether())
        session = known.open(known.prepare(Persona("nobody")))
        assert session.snapshot().state == "talking"
        session.close()


def test_a_line_that_breaks_is_made_anew_as_the_same_persona(server: MoshiServer) -> None:
    with Caller(server) as caller:
        caller.push(10)
        server.cut()
        caller.push(15)
        caller.talks()
        known = caller.session.snapshot()
        assert known.connections == 2 and known.losses == 0 and known.resumed == 0
        assert server.visits[1].query == server.visits[0].query
        assert any("begins anew as maya" in line for line in caller.news)


def test_where_the_server_keeps_the_conversation_it_goes_on(server: MoshiServer) -> None:
    server.faults.keeps = True
    with Caller(server) as caller:
        caller.push(10)
        server.cut()
        caller.until(lambda: caller.session.snapshot().connections == 2)
        caller.talks()
        assert server.visits[0].query["resume"] == "new"
        assert server.visits[1].query["resume"] == "key"
        assert caller.session.snapshot().resumed == 1
        assert any("the conversation goes on" in line for line in caller.news)


def test_where_a_fleet_has_lost_the_conversation_it_is_told_that_it_begins_anew(
    server: MoshiServer,
) -> None:
    server.faults.keeps = True
    with Caller(server) as caller:
        caller.push(10)
        server.faults.before_handshake = (b'\x04{"type": "begun_anew", "remembers": "Hello."}',)
        server.cut()
        caller.until(lambda: caller.session.snapshot().connections == 2)
        caller.talks()
        assert server.visits[1].query["resume"] == "key"
        assert caller.session.snapshot().resumed == 0
        assert any("begins anew as maya" in line for line in caller.news)
        assert not any("goes on" in line for line in caller.news)


def test_a_conversation_that_the_server_has_forgotten_begins_anew(server: MoshiServer) -> None:
    server.faults.keeps = True
    with Caller(server) as caller:
        caller.push(5)
        server.faults.refuse = "this conversation is over"
        server.cut()
        caller.until(lambda: len(server.visits) == 2)
        server.faults.refuse = ""
        caller.until(lambda: len(server.visits) == 3)
        caller.talks()
        assert [visit.query["resume"] for visit in server.visits] == ["new", "key", "new"]


def test_a_server_that_starts_again_is_found_again(server: MoshiServer) -> None:
    with Caller(server, lost_after_s=0.5) as caller:
        caller.push(5)
        server.stop()
        caller.until(lambda: caller.session.lost)
        assert any("has lost its model at ws://127" in line for line in caller.news)
        server.start()
        caller.talks()
        assert not caller.session.lost and caller.session.snapshot().losses == 1


def test_a_server_that_is_not_there_yet_is_waited_for(server: MoshiServer) -> None:
    server.stop()
    with Caller(server, lost_after_s=0.5) as caller:
        caller.until(lambda: caller.session.lost)
        assert "cannot be reached" in caller.session.snapshot().problem
        server.start()
        caller.talks()


@pytest.mark.parametrize("fault", ["deaf", "frozen"])
def test_a_line_on_which_nothing_comes_any_more_is_lost_and_given_up(
    server: MoshiServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.tether.talk.SILENT_S", 1.0)
    with Caller(server, lost_after_s=0.5) as caller:
        caller.push(5)
        setattr(server.faults, fault, True)
        caller.until(lambda: caller.session.lost)
        caller.until(lambda: len(server.visits) > 1)
        if fault == "deaf":  # it is not told what is too late
            assert caller.session.snapshot().up_dropped_s > 0.0
        setattr(server.faults, fault, False)
        caller.until(lambda: not caller.session.lost)
        caller.talks()


def test_what_is_lost_is_announced_once(server: MoshiServer) -> None:
    sentence = np.full(2 * FRAME, 0.5, np.float32)
    with Caller(server, lost_after_s=0.5, announcement=sentence) as caller:
        caller.push(5)
        server.stop()
        caller.until(lambda: caller.session.lost)
        caller.levels.pop()
        caller.push(15)
        assert sum(level == 0.5 for level in caller.levels) in (1, 2)
        assert caller.levels[-1] == 0.0
        server.start()
        caller.talks()


def test_a_server_that_is_never_ready_is_given_up(
    server: MoshiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personaplex_ros.tether.talk.READY_S", 1.0)
    server.faults.never_ready = True
    with Caller(server, lost_after_s=0.5) as caller:
        assert "was not ready within 1 s" in caller.session.snapshot().problem
        server.faults.never_ready = False
        caller.talks()


def test_a_refusal_is_told_in_the_server_s_words(server: MoshiServer) -> None:
    server.faults.refuse = "'maya' is no voice of this server; there are: NATF0"
    engine = TetherEngine(read_address(server.address), Tether())
    with pytest.raises(RuntimeError, match="is no voice of this server; there are: NATF0"):
        engine.open(engine.prepare(MAYA))
    # NVIDIA's server knows the voices by their files.
    assert [v.query["voice_prompt"] for v in server.visits] == ["NATF2", "NATF2.pt"]


@pytest.mark.parametrize(
    ("status", "words"), [(401, "it wants a token"), (404, "no such path"), (403, "not let")]
)
def test_a_door_that_is_shut_is_told_with_the_remedy(
    server: MoshiServer, status: int, words: str
) -> None:
    server.faults.status = status
    engine = TetherEngine(read_address(server.address), Tether())
    with pytest.raises(RuntimeError, match=words):
        engine.open(engine.prepare(Persona("nobody")))


@pytest.mark.parametrize(
    "messages",
    [(b"",), (b"\x09what", b"\x03\x01", b"\x06"), (b"\x04{not json", b"\x04[1]", b"\x02\xff")],
)
def test_what_nobody_knows_is_passed_over(server: MoshiServer, messages) -> None:
    server.faults.before_handshake = server.faults.after_handshake = messages
    with Caller(server) as caller:
        caller.talks()
        assert caller.session.snapshot().connections == 1


@pytest.mark.parametrize("rubbish", [b"\x01RIFF" + bytes(200), b"\x01" + bytes(2 << 20)])
def test_sound_that_is_none_ends_the_connection_or_is_passed_over(
    server: MoshiServer, rubbish: bytes
) -> None:
    server.faults.after_handshake = (rubbish,)
    with Caller(server, lost_after_s=0.5) as caller:
        caller.push(3)
        server.faults.after_handshake = ()
        caller.talks()
        known = caller.session.snapshot()
        assert known.damaged or known.connections > 1


def test_what_is_kept_back_is_let_out_again_after_a_pause(server: MoshiServer) -> None:
    with Caller(server) as caller:
        caller.talks()
        caller.session.keep_silent()
        caller.push(5)
        assert max(caller.levels[-5:]) == 0.0
        caller.session.go_on()
        caller.push(5)
        assert max(caller.levels[-5:]) == 0.0  # it is still saying what it was to leave
        caller.push(8, loud=False)
        caller.talks()
        assert caller.session.snapshot().kept_silent_s > 0.8


def test_a_pause_is_neither_a_loss_nor_played_late(server: MoshiServer) -> None:
    with Caller(server, lost_after_s=0.5) as caller:
        caller.push(10)
        time.sleep(1.5)
        assert not caller.session.lost
        caller.talks()
        assert caller.session.snapshot().losses == 0


def test_a_new_conversation_has_a_connection_of_its_own(server: MoshiServer) -> None:
    with Caller(server) as caller:
        caller.push(5)
        caller.session.set_sampling(Sampling(text_temperature=0.3))
        teacher = caller.engine.prepare(Persona("teacher", "You teach."))
        caller.session.restart(teacher, seed=9)
        caller.session.expect_begun(5.0)
        caller.talks()
        assert caller.session.push(np.zeros(FRAME, np.float32)).index < 20
        query = server.visits[1].query
        assert (query["text_prompt"], query["seed"]) == ("You teach.", "9")
        assert query["text_temperature"] == "0.3" and "voice_prompt" not in query
        assert server.hung_up(server.visits[0]) == 1000
        assert any("when its next conversation begins" in line for line in caller.news)


class Line:
    """Speech that comes `late_s(n)` after frame n was due, in order, into a buffer on a clock."""

    def __init__(self, late_s: Callable[[int], float], longest_s: float = 0.5) -> None:
        self.now = 0.0
        self.buffer = JitterBuffer(RATE, FRAME, longest_s, lambda: self.now)
        self._late_s = late_s
        self._written = 0
        self._arrival_s = 0.0

    def run(self, ticks: range, sound: Callable[[int], float]) -> list[float]:
        """Return the level of each frame that was taken."""
        levels = []
        for tick in ticks:
            while self._next_s(self._written) <= tick * FRAME_S:
                self.now = self._arrival_s = self._next_s(self._written)
                self.buffer.write(np.full(FRAME, sound(self._written), np.float32))
                self._written += 1
            self.now = tick * FRAME_S
            levels.append(float(np.abs(self.buffer.take()[0]).min()))
        return levels

    def _next_s(self, frame: int) -> float:
        return max(self._arrival_s, frame * FRAME_S + 0.04 + self._late_s(frame))


def test_an_uneven_line_is_even_soon() -> None:
    waits_s = np.random.default_rng(2).uniform(0.0, 0.15, 3_000)
    line = Line(lambda frame: float(waits_s[frame]))
    line.run(range(100), lambda frame: 0.1)
    dry = line.buffer.snapshot().ran_dry
    levels = line.run(range(100, 1_000), lambda frame: 0.1)
    known = line.buffer.snapshot()
    assert known.ran_dry == dry and min(levels) > 0.05
    assert known.dropped_s == 0.0 and known.waiting_s <= 0.15 + 2 * FRAME_S


def test_a_stall_drops_what_is_too_old_and_is_counted() -> None:
    line = Line(lambda frame: max(0.0, (60 - frame) * FRAME_S) if frame >= 50 else 0.0, 0.3)
    levels = line.run(range(200), lambda frame: 0.1)
    known = line.buffer.snapshot()
    assert known.ran_dry == 1 and 0.5 < known.missing_s < 1.0 and min(levels[100:]) > 0.05
    assert known.dropped_s > 0.4 and known.waiting_s <= 0.3


def test_words_come_with_the_speech_that_they_came_with() -> None:
    line = Line(lambda frame: 0.0)
    line.run(range(3), lambda frame: 0.1)
    line.buffer.add(" Hel")
    line.buffer.add("lo")
    pieces = []
    for tick in range(3, 6):
        line.run(range(tick, tick), lambda frame: 0.1)
        line.buffer.write(np.full(FRAME, 0.1, np.float32))
        pieces.append(line.buffer.take()[1])
    assert "".join(pieces) == " Hello" and pieces.index(" Hello") <= 1


def measured(answered: Callable[[int], bool], own: range = range(0)) -> list[float]:
    """Return the delay after each frame, of a server that takes 0.3 s, on a line of 0.1 s."""
    meter, delays = DelayMeter(), []
    for tick in range(400):
        now_s = tick * FRAME_S
        if answered(tick - 4):
            meter.came(FRAME, now_s, 0.1)
        if tick in own:
            meter.came(FRAME, now_s, 0.1)
        meter.sent(FRAME, now_s - 0.02)
        delays.append(meter.answer_s or 0.0)
    return delays


def test_the_delay_is_that_of_the_answers() -> None:
    delays = measured(lambda frame: frame >= 0)
    assert delays[100] == pytest.approx(4 * FRAME_S + 0.02)


def test_a_server_that_leaves_frames_out_does_not_spoil_the_delay_for_good() -> None:
    delays = measured(lambda frame: 0 <= frame < 50 or frame >= 90)
    assert max(delays) < LONGEST_S and delays[-1] == pytest.approx(4 * FRAME_S, abs=0.15)


def test_frames_of_the_server_s_own_do_not_spoil_the_delay() -> None:
    delays = measured(lambda frame: frame >= 0, own=range(100, 120))
    assert 0.1 <= min(delays[10:]) and delays[-1] >= 0.1


def test_a_delay_that_is_not_needed_any_more_is_taken_back_in_a_pause() -> None:
    now = [0.0]
    buffer = JitterBuffer(RATE, FRAME, 0.5, lambda: now[0])
    speech, pause = np.full(FRAME, 0.1, np.float32), np.zeros(FRAME, np.float32)
    buffer.write(speech)
    buffer.write(speech)
    for tick in range(round((PATIENCE_S + 5.0) / FRAME_S)):
        now[0] = tick * FRAME_S
        buffer.take()
        assert buffer.snapshot().ran_dry == 0
        now[0] += 0.04
        buffer.write(pause if tick % 50 >= 47 else speech)
    assert buffer.snapshot().shortened_s == FRAME_S
    assert buffer.waiting_s < 1.5 * FRAME_S
