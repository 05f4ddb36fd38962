"""Finds out whether a card that has gone is back, without disturbing those that are there.

PortAudio sees new cards only when it is initialised anew, which ends every stream; its attempts to
open what is not there are written to the standard error, and a driver may hang. A process of its
own has none of these faults.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from .card import Card
from .library import AudioDeviceError
from .listing import devices_of

LONGEST_S = 10.0
_PROBE = Path(__file__).with_name("probe.py")


def look_for(card: Card) -> None:
    """Raise AudioDeviceError unless the card is there now and can be opened."""
    with subprocess.Popen(
        [sys.executable, str(_PROBE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        timer = threading.Timer(LONGEST_S, child.kill)
        timer.start()
        try:
            assert child.stdin is not None and child.stdout is not None
            cards, interfaces = json.loads(child.stdout.readline())
            device = card.find(devices_of(cards, interfaces))
            child.stdin.write(json.dumps([card.kind, card.arguments(device)]) + "\n")
            child.stdin.flush()
            refusal = json.loads(child.stdout.readline())
        except (json.JSONDecodeError, OSError) as error:
            raise AudioDeviceError("the system's sound does not answer") from error
        finally:
            timer.cancel()
            child.kill()
    if refusal:
        raise AudioDeviceError(f"{device.name} cannot be opened ({refusal})")
