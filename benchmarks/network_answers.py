"""How many right answers are left when audio is lost on its way to the robot.

usage: python benchmarks/network_answers.py [--dialogues 16] [--loss 0 0.05 0.1] [--slots 8]
       [--json FILE]

Needs requirements-training.txt. The conversations of `personaplex evaluate` with nano (callers,
wordings and personas that it was not trained on) are held again with each share of messages of
20 ms lost, one time with the sound going on in their place and one time with zeros, as the node's
`lost_audio` does. The same messages are lost both times.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from network_rows import keep

from personaplex_ros.audio import AudioChunk, IntakeLimits
from personaplex_ros.audio.network import StreamJoiner
from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.estimate import share
from personaplex_ros.training.evaluation.caller import Caller
from personaplex_ros.training.evaluation.converse import Job, Stage
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.world import load_world

RATE, CHUNK = 24_000, 480
AHEAD = 1_920
MEASURES = {"answer": "right answers", "persona": "persona's facts", "takeover": "takes the turn"}
SEED = 7


class LossyCaller(Caller):
    """A caller some of whose messages are lost."""

    def __init__(self, job: Job, loss: float, conceal: bool) -> None:
        super().__init__(job.plan, np.random.default_rng((SEED, 6, job.number)))
        self._losses = np.random.default_rng((SEED, 60, job.number))
        self._loss = loss
        self._joiner = StreamJoiner(IntakeLimits(conceal=conceal, max_gap_fill_s=5.0), RATE)
        self._heard = np.zeros(AHEAD, np.float32)
        self._sent = 0

    def frame(self, heard: np.ndarray) -> np.ndarray:
        """Return what arrives, a frame later: a loss is filled when the next message is there."""
        said = super().frame(heard)
        for first in range(0, len(said), CHUNK):
            place, stamp_ns = self._sent, 10**18 + self._sent * 10**9 // RATE
            self._sent += CHUNK
            if self._losses.random() < self._loss:
                continue
            part = said[first : first + CHUNK].astype(np.float32)
            chunk = AudioChunk(part, RATE, 1, stamp_ns, place, "caller")
            pieces = self._joiner.push(chunk, stamp_ns + 20_000_000)
            self._heard = np.concatenate([self._heard, *(piece.samples for piece in pieces)])
        frame, self._heard = self._heard[: len(said)], self._heard[len(said) :]
        return np.pad(frame, (0, len(said) - len(frame)))


@dataclass(frozen=True)
class LossyStage(Stage):
    """A stage whose callers are at the other end of a bad line."""

    loss: float
    conceal: bool

    def _caller(self, job: Job) -> Caller:
        return LossyCaller(job, self.loss, self.conceal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=16)
    parser.add_argument("--loss", type=float, nargs="+", default=[0.0, 0.05, 0.1])
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    world = load_world()
    engine = Engine.load("nano", slots=arguments.slots, threads=arguments.threads)
    rows = []
    for loss in arguments.loss:
        for conceal in (True, False) if loss else (True,):
            stage = LossyStage(engine, world, arguments.slots, Sampling(), SEED, loss, conceal)
            held = stage.hold(lambda n: plan_dialogue(world, (SEED, 1, n)), arguments.dialogues)
            verdicts = [verdict for dialogue in held for verdict in judge(dialogue, world)]
            filled = ("concealed" if conceal else "zeros") if loss else "nothing lost"
            row: dict[str, object] = {"loss": loss, "filled": filled}
            line = f"{100 * loss:>4.0f} % {filled:<14}"
            for measure, title in MEASURES.items():
                values = [v.value > 0.5 for v in verdicts if v.measure == measure]
                row[title] = {"of": len(values), "share": share(values).value}
                line += f"  {title} {sum(values)} of {len(values)}"
            print(line, flush=True)
            rows.append(row)
    keep(rows, arguments.json)


if __name__ == "__main__":
    main()
