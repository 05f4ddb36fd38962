"""One conversation: a client's samples in; speech, words and turn events out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.engine import SharedSession
from personaplex_ros.remedies import described
from personaplex_ros.server.conversation.codec import Codec
from personaplex_ros.server.conversation.inbox import Heard, Inbox
from personaplex_ros.server.conversation.outbox import Outbox
from personaplex_ros.server.conversation.outputs import Ended, Output, Speech, Words
from personaplex_ros.server.conversation.sent_time import SentTime
from personaplex_ros.server.refusal import Cause, Refusal
from personaplex_ros.turns import TurnMonitor, TurnUpdate

WAKE_UP_S = 0.1
"""Longest wait for audio before the end is looked after."""
STOP_S = 5.0
"""For a frame in progress to be done."""
HAND_OVER_S = 0.0005
"""Left to the loop, which needs Python's lock to send a frame, before turns are looked after."""
MOST_SAID = 400
"""Pieces of words of the robot's that are remembered."""
MOST_REQUESTS = 8
"""That may wait for a frame; of more, the oldest is dropped."""

Report = Callable[[float | None, TurnUpdate], None]
"""Told of a frame: seconds inside the engine, and what came of it; of the end, which has none."""


class Conversation:
    """Runs a session with a thread of its own, until it is stopped or the model fails.

    `key` names it to a client that comes back; `outbox` has what is to be sent; `monitor` may be
    used by another when this has ended; `said` has the last pieces of what the robot said; `sent`
    tells times as the client counts them.
    Held, it stands still: nothing is heard and nothing is said. `codec` has its sound as the
    protocol does, else None; this thread alone calls it.
    """

    def __init__(
        self,
        key: str,
        session: SharedSession,
        monitor: TurnMonitor,
        inbox: Inbox,
        outbox: Outbox,
        frame_s: float,
        report: Report,
        codec: Codec | None = None,
    ) -> None:
        self.key = key
        self.codec = codec
        self.outbox = outbox
        self.inbox = inbox
        self.monitor = monitor
        self.said: deque[str] = deque(maxlen=MOST_SAID)
        self.frames = 0
        self.late_frames = 0
        self.dropped_requests = 0
        self._asked_s = 0.0  # when the model was asked for the frame that it is at; 0 for none
        self._session = session
        self._frame_s = frame_s
        self._frame_ns = round(frame_s * 1e9)
        self.sent = SentTime(self._frame_ns)
        self._report = report
        self._requests: deque[Callable[[SharedSession], object]] = deque(maxlen=MOST_REQUESTS)
        self._going = threading.Event()
        self._stop = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conversation", daemon=True)

    @property
    def seconds(self) -> float:
        """How long it has lasted, as the model counts."""
        return self.frames * self._frame_s

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self._over.is_set()

    @property
    def stalled_s(self) -> float:
        """How long the model has not come back with a frame, in seconds."""
        asked_s = self._asked_s
        return time.monotonic() - asked_s if asked_s else 0.0

    def start(self) -> None:
        """Begin to listen and to speak."""
        self.go_on()
        self._thread.start()

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Take what the client says, float32 [n] at the model's rate; any thread."""
        self.inbox.put(samples)

    def do(self, request: Callable[[SharedSession], object]) -> None:
        """Let the conversation's thread do something with its session before the next frame."""
        self.dropped_requests += len(self._requests) == MOST_REQUESTS
        self._requests.append(request)

    def hold(self) -> None:
        """Stand still until `go_on`."""
        self._going.clear()

    def go_on(self) -> None:
        """Go on where it stood still, with what is said from now on."""
        self.inbox.clear()
        self._going.set()

    def stop(self) -> None:
        """End it and give the model's slot back; returns when that is done. Blocks; any thread."""
        self._stop.set()
        self._going.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._going.wait(WAKE_UP_S):
                    continue
                heard = self.inbox.take(WAKE_UP_S)
                if heard is not None and not self._stop.is_set():
                    self._step(heard)
        except Refusal as refusal:  # of what the client sends
            self.outbox.put(Ended(refusal))
        except Exception as error:  # whatever it is, the client must be told
            words = f"the model failed, begin a new conversation: {described(error)}"
            self.outbox.put(Ended(Refusal(Cause.FAILED, words)))
        finally:
            self._close()

    def _step(self, heard: Heard) -> None:
        while self._requests:
            self._requests.popleft()(self._session)
        self._asked_s = time.monotonic()
        result = self._session.push(heard.samples)
        model_s = time.monotonic() - self._asked_s
        self._asked_s = 0.0
        samples = np.clip(result.audio, -1.0, 1.0)
        packets = self.codec.encode(samples) if self.codec is not None else ()
        speech = Speech(self.frames, samples, heard.complete_s + model_s, packets)
        words = [Words(self.frames, result.piece)] if result.piece else []
        if result.piece:
            self.said.append(result.piece)
        self.outbox.put(speech, *words)
        time.sleep(HAND_OVER_S)
        stamp_ns = self.frames * self._frame_ns
        self.sent.follow(stamp_ns, heard.sent * self._frame_ns // len(heard.samples))
        update = self.monitor.push(heard.samples, result.audio, result.piece, stamp_ns)
        self.outbox.put(*_told(update))
        self.frames += 1
        self.late_frames += model_s > self._frame_s
        self._report(model_s, update)

    def _close(self) -> None:
        try:
            update = self.monitor.end()
            self.outbox.put(*_told(update))
            self._report(None, update)
            self._session.close()
        except RuntimeError:  # the engine is closed already
            pass
        self._asked_s = 0.0
        self._over.set()


def _told(update: TurnUpdate) -> list[Output]:
    utterances = [] if update.utterance is None else [update.utterance]
    return [*update.events, *utterances]
