"""Looks after the sound cards of this process: opens them, and again when they come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .card import Card
from .library import AudioDeviceError, load_library
from .listing import DeviceInfo, list_devices
from .looking import look_for

LOOK_S = 0.25
"""How often the streams are looked at."""
RETRY_S = 2.0
"""How often a card that has gone is looked for."""
UNDISTURBED_S = 30.0
"""After the other cards' streams were interrupted in vain, how long they are left alone."""


class Keeper:
    """All cards in use, one thread that looks after them, and the only one to call PortAudio.

    PortAudio learns of cards that were plugged in when it is initialised anew, for which every
    stream has to be closed. So a card that is gone is looked for by another process. When that has
    found it, it is opened as it is if PortAudio knows it still; otherwise the others' streams are
    interrupted once, for a fraction of a second.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._cards: list[Card] = []
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._leave_alone_until_s = 0.0

    def check(self, card: Card) -> None:
        """See that a card can be opened. Raises AudioDeviceError, telling the remedy."""
        with self._lock:
            module = load_library()
            try:
                card.open(module, self._fresh_devices(module), run=False)
            except AudioDeviceError:
                if not self._open_cards():
                    raise
                with self._interrupted(module):
                    card.open(module, list_devices(), run=False)

    def keep(self, card: Card) -> None:
        """Open a card and look after it; one that cannot be opened now is opened when it can."""
        with self._lock:
            module = load_library()
            self._cards.append(card)
            try:
                card.open(module, self._fresh_devices(module), run=True)
            except AudioDeviceError as error:
                card.lose(str(error))
            if self._thread is None:
                self._ending = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._ending,), name="sound cards", daemon=True
                )
                self._thread.start()

    def release(self, card: Card) -> None:
        """Close a card and forget it; once or more often."""
        with self._lock:
            if card in self._cards:
                self._cards.remove(card)
            card.close()
            card.problem = ""
            if not self._cards and self._thread is not None:
                self._ending.set()
                self._thread = None

    def _run(self, ending: threading.Event) -> None:
        module = load_library()
        sought_at_s: dict[Card, float] = {}
        while not ending.wait(LOOK_S):
            with self._lock:
                for card in self._open_cards():
                    if why := card.look(module):
                        card.lose(why)
                missing = [card for card in self._cards if not card.is_open]
            for card in missing:
                if time.monotonic() - sought_at_s.get(card, 0.0) >= RETRY_S:
                    self._seek(card, module)
                    sought_at_s[card] = time.monotonic()

    def _seek(self, card: Card, module: Any) -> None:
        """Open a card that has gone, if it is back."""
        try:
            look_for(card)  # takes its time, so without the lock
            with self._lock:
                if card in self._cards and not card.is_open:
                    self._open_again(card, module)
        except AudioDeviceError as error:
            with self._lock:
                if card in self._cards and not card.is_open:
                    card.lose(str(error))

    def _open_again(self, card: Card, module: Any) -> None:
        if not self._open_cards():
            card.open(module, self._fresh_devices(module), run=True)
        else:
            try:
                card.open(module, list_devices(), run=True)  # PortAudio may know it still
            except AudioDeviceError:
                now_s = time.monotonic()
                if now_s < self._leave_alone_until_s:
                    raise
                self._leave_alone_until_s = now_s + UNDISTURBED_S
                with self._interrupted(module):
                    card.open(module, list_devices(), run=True)
        self._leave_alone_until_s = 0.0

    def _open_cards(self) -> list[Card]:
        return [card for card in self._cards if card.is_open]

    def _fresh_devices(self, module: Any) -> list[DeviceInfo]:
        """Return what there is now, or, while cards are open, what there was then."""
        if not self._open_cards():
            _initialise_anew(module)
        return list_devices()

    @contextmanager
    def _interrupted(self, module: Any) -> Iterator[None]:
        """Close what is open, and open it again afterwards, with PortAudio initialised anew."""
        interrupted = self._open_cards()
        for card in interrupted:
            card.close()
        _initialise_anew(module)
        try:
            yield
        finally:
            for card in interrupted:
                try:
                    card.open(module, list_devices(), run=True)
                except AudioDeviceError as error:
                    card.lose(str(error))


def _initialise_anew(module: Any) -> None:
    """Let PortAudio see the cards that there are now; ends every stream."""
    try:
        module._terminate()
        module._initialize()  # there is no public name for it
    except module.PortAudioError as error:
        raise AudioDeviceError(f"the system's sound cannot be used ({error})") from error


KEEPER = Keeper()
