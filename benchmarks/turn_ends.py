"""How soon and how surely the end of a turn is told from a pause within it.

usage: python benchmarks/turn_ends.py [--parts DIR] [--prompts DIR] [--smart-turn FILE]
       [--json FILE]

Needs requirements-training.txt. The turns of turn_ends.txt, which no training has seen, are said by
espeak-ng's callers that nothing was trained on, in rooms and noise. With --parts also by whoever
spoke DIR/NAME_TURN_PART.wav (turns and parts counted from 0), such as another synthesiser or
people; with --prompts by the woman of Debian's asterisk-core-sounds-en-wav (its folder of .wav
files), whose prompts are joined as a telephone exchange joins them, and whose long prompts pause
where she does.
Pauses are log-normal, 0.55 s in the median, the true ends known to the sample.

All detectors hear the same frames: Silero VAD with a fixed silence; `user_finished`, that is
TurnEndJudge where it is sure enough, and a fixed silence after which a turn is over anyway; and
with --smart-turn the same with the model of that file (`smart_turn.py`) as the judge. Of each that
setting is shown which tells the ends soonest in the mean, an end that is not told within 3 s
counting 3 s, among those whose false positives are few enough.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from personaplex_ros.audio import read_wave, resample, to_mono
from personaplex_ros.files import write_whole
from personaplex_ros.markdown import markdown_table
from personaplex_ros.training.turn_ends.corpus import FRAME, Line, assemble
from personaplex_ros.training.voices.speakers import random_caller
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import sounding
from personaplex_ros.turns import Activity, SpeechActivity
from personaplex_ros.turns.judges.turn_end import TurnEndJudge

WAITS_S = tuple(round(0.05 * step, 2) for step in range(6, 41))  # the same for all
SURE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98)
BUDGETS = (0.2, 0.1, 0.05)  # of false positives
OFF = 0.35  # probability of speech below which it is silent, Silero's own
TURNS_TOGETHER = 3  # in a line, with one speaker, room and noise
DEADLINE_S = 3.0

Sound = NDArray[np.float32]
Turn = Sequence[Sound]


class Judge(Protocol):
    """Takes a frame and the detector's windows, and tells how sure it is that a turn is over."""

    def push(self, samples: Sound, windows: Sequence[Activity], /) -> float:
        """Return that as a probability."""


@dataclass(frozen=True, eq=False)
class Silence:
    """What was known at the end of each frame of a true silence: for how long, and how sure."""

    over: bool
    since_s: Sound  # since the true end of the sound
    silent_s: Sound  # as the detector hears it
    sure: Mapping[str, Sound]  # by judge

    def told_s(self, wait_s: float, judge: str = "", sure: float = np.inf) -> float | None:
        """Return how late the end is told by silence or a judge, None where it is not."""
        told = np.flatnonzero(self.silent_s >= wait_s)
        if judge:
            told = np.flatnonzero((self.silent_s >= wait_s) | (self.sure[judge] >= sure))
        return float(self.since_s[told[0]]) if len(told) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=Path, metavar="DIR")
    parser.add_argument("--prompts", type=Path, metavar="DIR")
    parser.add_argument("--smart-turn", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    judges: dict[str, Callable[[], Judge]] = {"user_finished": partial(TurnEndJudge, RATE, FRAME)}
    if arguments.smart_turn:
        from smart_turn import SmartTurn

        judges["smart-turn"] = partial(SmartTurn, arguments.smart_turn)
    rows: list[dict[str, Any]] = []
    for name, turns in speakers(arguments.parts, arguments.prompts):
        rng = np.random.default_rng(77)
        order = rng.permutation(len(turns))
        silences = [
            silence
            for first in range(0, len(order), TURNS_TOGETHER)
            for silence in hear(
                assemble([turns[at] for at in order[first : first + TURNS_TOGETHER]], rng),
                {name: begin() for name, begin in judges.items()},
            )
        ]
        here = [{"speaker": name, **row} for row in scores(silences, judges)]
        print(table(here), flush=True)
        rows += here
    if arguments.json:
        text = json.dumps(rows, indent=1) + "\n"
        write_whole(arguments.json, lambda path: path.write_text(text))


def speakers(parts: Path | None, prompts: Path | None) -> Iterator[tuple[str, list[Turn]]]:
    """Yield speakers' names and their turns."""
    lines = Path(__file__).with_name("turn_ends.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.split("|") for line in lines if line and not line.startswith("#")]
    rng = np.random.default_rng(1)
    voices = [random_caller(rng, held_out=True) for _ in texts]
    yield (
        "espeak-ng",
        [
            [speak(part.strip(), voice).samples for part in text]
            for text, voice in zip(texts, voices, strict=True)
        ],
    )
    names = sorted({path.name.split("_")[0] for path in parts.glob("*_*_*.wav")}) if parts else []
    for name in names:
        yield (
            name,
            [
                [_read(parts / f"{name}_{turn}_{part}.wav") for part in range(len(text))]
                for turn, text in enumerate(texts)
            ],
        )
    if prompts:
        yield "prompts, joined", joined_prompts(prompts)
        yield "prompts, long", long_prompts(prompts)


LEADS = {
    "vm-youhave": "# vm-messages", "conf-thereare": "# conf-otherinparty",
    "your": "number is # # #",
    "queue-thereare": "# queue-callswaiting", "vm-theperson": "# vm-isunavail",
    "vm-message": "vm-from-phonenumber # # #", "queue-holdtime": "# queue-minutes",
    "to-call-this-number": "vm-press #", "to-listen-to-it": "vm-press #", "extension": "# # #",
    "vm-tocancelmsg": "vm-press #", "vm-onefor": "vm-INBOX vm-messages", "vm-toreply": "vm-press #",
    "vm-tocallback": "vm-press #", "confbridge-there-are": "# confbridge-participants",
    "vm-toforward": "vm-press #", "vm-changeto": "# vm-messages", "if-correct-press": "#",
    "telephone-number": "# # # #", "you-entered": "# # # #", "vm-extension": "# is-in-use",
}  # fmt: skip
"""How an exchange joins prompts; # is a digit."""


def joined_prompts(folder: Path) -> list[Turn]:
    """Return turns of prompts that were recorded to be joined, each way with three draws."""
    rng = np.random.default_rng(5)
    turns = []
    for lead, rest in list(LEADS.items()) * 3:
        names = [lead, *rest.split()]
        paths = [f"digits/{rng.integers(10)}" if name == "#" else name for name in names]
        turns.append([_read(folder / f"{path}.wav") for path in paths])
    return turns


def long_prompts(folder: Path) -> list[Turn]:
    """Return prompts of 1.5 to 14 s, in parts where the speaker pauses for 0.16 s or more."""
    turns = []
    for path in sorted(folder.glob("*.wav")):
        sound = _read(path)
        odd = any(word in path.name for word in ("tone", "monkeys", "weasels", "spy-"))
        if odd or not 1.5 * RATE <= len(sound) <= 14 * RATE:
            continue
        levels = np.sqrt(np.square(sound[: len(sound) // 240 * 240].reshape(-1, 240)).mean(axis=1))
        loud = np.flatnonzero(levels >= 0.02 * np.percentile(levels, 95))
        gaps = np.flatnonzero(np.diff(loud) > 16)
        edges = [loud[0], *(loud[at + side] + 1 - side for at in gaps for side in (0, 1))]
        edges.append(loud[-1] + 1)
        pairs = zip(edges[::2], edges[1::2], strict=True)
        turns.append([sound[a * 240 : b * 240] for a, b in pairs if b - a >= 20])
    return turns


def _read(path: Path) -> Sound:
    wave = read_wave(path)
    sound = resample(to_mono(wave.samples), wave.rate, RATE)
    return sound[slice(*sounding(sound))]


class Quiet:
    """For how long Silero has heard nobody since somebody spoke."""

    def __init__(self) -> None:
        self._silent_s, self._speaks = 0.0, False

    def push(self, windows: Sequence[Activity]) -> float:
        """Take the windows of a frame; return that in seconds."""
        for window in windows:
            if window.probability >= 0.5:
                self._silent_s, self._speaks = 0.0, True
            elif self._speaks and (self._silent_s > 0.0 or window.probability < OFF):
                self._silent_s += window.length_samples / RATE
        return self._silent_s


def hear(line: Line, judges: Mapping[str, Judge]) -> list[Silence]:
    """Let all detectors hear a line; return its silences."""
    activity, quiet = SpeechActivity(RATE, FRAME), Quiet()
    known = []
    for first in range(0, len(line.samples) // FRAME * FRAME, FRAME):
        samples = line.samples[first : first + FRAME]
        windows = activity.push(samples)
        sure = [judge.push(samples, windows) for judge in judges.values()]
        known.append(((first + FRAME) / RATE, quiet.push(windows), *sure))
    times, silent, *told = np.array(known, np.float32).T
    found = []
    for start_s, end_s, over in line.silences:
        inside = (times > start_s) & (times <= min(end_s, start_s + DEADLINE_S))
        since = times[inside] - start_s
        heard = np.minimum(silent[inside], since)
        sures = {name: np.where(heard > 0, one[inside], 0.0)
                 for name, one in zip(judges, told, strict=True)}  # fmt: skip
        found.append(Silence(over, since, heard, sures))
    return found


def scores(silences: Sequence[Silence], judges: Iterable[str]) -> list[dict[str, Any]]:
    """Return the figures of all detectors along their curves."""
    points: list[tuple[str, float, float]] = [("Silero", wait_s, np.inf) for wait_s in WAITS_S]
    points += [(j, wait_s, sure) for j in judges for wait_s in WAITS_S for sure in SURE]
    rows = []
    for detector, wait_s, sure in points:
        judge = detector if sure < np.inf else ""
        told = {
            over: [one.told_s(wait_s, judge, sure) for one in silences if one.over == over]
            for over in (True, False)
        }
        late_s = [DEADLINE_S if value is None else value for value in told[True]]
        wrong = [value for value in told[False] if value is not None]
        rows.append({"detector": detector, "wait_s": wait_s, "sure": sure if judge else None,
                     "ends": len(late_s), "pauses": len(told[False]),
                     "recall": 1 - told[True].count(None) / len(late_s),
                     "false_positives": len(wrong) / len(told[False]),
                     "latency_mean_s": float(np.mean(late_s)),
                     "latency_p50_p90_s": np.quantile(late_s, (0.5, 0.9)).tolist()})  # fmt: skip
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return, for each budget, each detector's setting with the shortest mean."""
    heads = ("at", "false positives", "recall", "mean s", "50 / 90 %", "n")
    lines = [[rows[0]["speaker"], *heads]]
    chosen = []
    for budget in BUDGETS:
        for detector in dict.fromkeys(row["detector"] for row in rows):
            few = [row for row in rows if row["false_positives"] <= budget
                   and row["detector"] == detector]  # fmt: skip
            few.sort(key=lambda row: row["latency_mean_s"])
            chosen.append((f"at most {budget}", few[:1]))
    for why, picked in chosen:
        for row in picked:
            latency = " / ".join(f"{value:.2f}" for value in row["latency_p50_p90_s"])
            sure = "" if row["sure"] is None else f"{row['sure']:g} or "
            lines.append([f"{row['detector']}, {why}", f"{sure}{row['wait_s']:.2f} s",
                          f"{row['false_positives']:.3f}", f"{row['recall']:.3f}",
                          f"{row['latency_mean_s']:.2f}", latency,
                          f"{row['ends']} + {row['pauses']}"])  # fmt: skip
    return markdown_table(lines) + "\n"


if __name__ == "__main__":
    main()
