"""Hands a conversation from the model's thread to a thread that writes it to the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .folder import Frame, Happening
from .journal import Journal, JournalState

WAITING = 1000
"""Items that may wait for the disk, some 60 s of talk; more are dropped and counted."""
PERIOD_S = 0.1
"""Time between two looks for something to write: what a killed process loses at most."""
END_S = 5.0
"""How long `close` waits for a disk that does not answer."""


@dataclass(frozen=True)
class _Turn:
    """The recording ends here; `next` if another conversation begins."""

    why: str
    next: bool


@dataclass(frozen=True)
class _Title:
    title: str


@dataclass(frozen=True)
class _Consent:
    given: bool
    taken: threading.Event


class Recorder:
    """A bounded queue and the thread that writes what is in it into a journal.

    `frame`, `happened` and `ended` are for one thread, which they never hold up. follow: called by
    the recorder's thread whenever recording begins or ends; it must not raise.
    """

    def __init__(self, journal: Journal, follow: Callable[[bool], None]) -> None:
        self._journal, self._follow = journal, follow
        self._queue: deque[Frame | Happening | _Turn | _Title | _Consent] = deque()
        self._number = 0
        self._wanted = journal.state.consent  # what is not is not queued; the journal decides
        self._recording = False
        self.dropped = 0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def state(self) -> JournalState:
        """Return what is recorded now."""
        return self._journal.state

    def frame(self, stamp_ns: int, heard: NDArray[np.float32], said: NDArray[np.float32]) -> None:
        """Take one frame of both sides, which nobody changes any more (see `Frame`)."""
        self._number += 1
        self._offer(Frame(self._number, stamp_ns, heard, said))

    def happened(self, what: Happening) -> None:
        """Take something that came with the last frame."""
        self._offer(what)

    def ended(self, why: str, *, next: bool) -> None:
        """End the recording here: `next` if another conversation begins, else it pauses."""
        self._queue.append(_Turn(why, next))

    def called(self, title: str) -> None:
        """Take another title for the recordings that begin from here on."""
        self._queue.append(_Title(title))

    def allow(self, given: bool, timeout_s: float) -> JournalState:
        """Take or withdraw consent, from any thread; return how it stands when that is done.

        Raises TimeoutError when the disk does not answer.
        """
        taken = threading.Event()
        self._wanted = given
        self._queue.append(_Consent(given, taken))
        self._wake.set()
        if not taken.wait(timeout_s):
            raise TimeoutError("the disk does not answer")
        return self.state

    def close(self) -> None:
        """Write what waits, end the recording and the thread."""
        self._stop.set()
        self._wake.set()
        self._thread.join(END_S)

    def _offer(self, what: Frame | Happening) -> None:
        if not self._wanted:
            return
        if len(self._queue) >= WAITING:
            self.dropped += 1
            return
        self._queue.append(what)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(PERIOD_S)
            self._wake.clear()
            self._serve()
        self._serve()
        self._journal.end("the node ended")
        self._tell_followers()

    def _serve(self) -> None:
        while self._queue:
            what = self._queue.popleft()
            if isinstance(what, Frame):
                self._journal.frame(what)
            elif isinstance(what, _Title):
                self._journal.title = what.title
            elif isinstance(what, _Consent | _Turn):
                self._turn(what)
            else:
                self._journal.happened(what)
            self._tell_followers()

    def _turn(self, what: _Consent | _Turn) -> None:
        if isinstance(what, _Consent):
            self._journal.consent(what.given)
        elif what.next:
            self._journal.next_conversation(what.why)
        else:
            self._journal.pause(what.why)
        self._wanted = self._journal.state.consent
        if isinstance(what, _Consent):
            self._tell_followers()  # whoever is told that nothing is recorded sees no light
            what.taken.set()

    def _tell_followers(self) -> None:
        recording = self._journal.state.folder is not None
        if recording != self._recording:
            self._recording = recording
            self._follow(recording)
