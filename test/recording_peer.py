"""A process that records until it is killed: FOLDER [BYTES that a file may have]."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

from personaplex_ros.node.recording.bag_format import RosBag
from personaplex_ros.recording import Archive, Heading, Journal, Limits, Piece, Recorder
from personaplex_ros.turns import TurnEvent

RATE, FRAME, FRAME_NS = 24_000, 1920, 80_000_000
ROOM = Limits(split_s=600.0, split=10**9, total=10**10, reserve=0)

if __name__ == "__main__":
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    journal = Journal(
        Archive(Path(sys.argv[1])),
        ROOM,
        Heading("robot", RATE, "killed"),
        RosBag(RATE, "mouth", lambda name: f"/{name}"),
        ask=False,
        tell=lambda level, text: print(level, text, flush=True),
    )
    recorder = Recorder(journal, lambda recording: print("recording", recording, flush=True))
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, FRAME).astype(np.float32)
    for number in range(100_000):
        at = number * FRAME_NS
        recorder.frame(at, noise, noise)
        recorder.happened(Piece(at + FRAME_NS, number, 7, " word"))
        if number % 10 == 0:
            recorder.happened(TurnEvent("user_started", at, at + FRAME_NS, 0.9))
        time.sleep(0.002)  # forty times as fast as people talk
