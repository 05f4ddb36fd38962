"""The robot's own echo in simulated rooms: how much of it is taken out, and what is left of talk.

usage: python benchmarks/echo.py [--minutes 2] [--persons 24] [--dialogues 10] [--people FOLDER]
       [--levels 0 12] [--seed 0] [--json FILE]

A robot talks (PyPI hibari-tts, a voice that was not made for this package) through a loudspeaker
that clips softly, in rooms of 0.2, 0.5 and 0.8 s of reverberation, after 20 to 500 ms, with clocks
that drift by up to 200 ppm. People break in: wave files from a folder, or callers of voices that
nothing was trained on. Echo, people and noise are simulated apart, so the loss of the echo is that
by definition. Everything is heard as by a node: canceller, guard, turn monitor and, for the
dialogues, nano; once with the echo canceller and once without it, on the same sound.

Needs requirements-training.txt, pyroomacoustics, hibari-tts and livekit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from echo_dialogues import hold
from echo_rooms import (
    RATE,
    Acoustics,
    Room,
    Sound,
    echo_of,
    microphone,
    noise,
    person_at,
)
from echo_speakers import LONGEST_S, amid_speech, people, talk

from personaplex_ros.audio.echo import EchoCanceller, Processing
from personaplex_ros.files import write_whole
from personaplex_ros.turns import TurnEvent, TurnMonitor

FRAME = 1_920
LEVEL = 10 ** (-26 / 20)  # RMS of a person's speech at the microphone
SETTLED_S = 5.0
EVERY_S = 5.0  # a person breaks in so often
SOON_S, MISSED_S = 0.25, 1.5
EARLY_S = 0.05
ROOMS = (
    (0.2, 0.02, 0.0), (0.2, 0.2, 200.0), (0.5, 0.1, 0.0), (0.5, 0.1, -200.0), (0.5, 0.5, 200.0),
    (0.8, 0.1, 0.0), (0.8, 0.3, -200.0),
)  # fmt: skip
"""Reverberation [s], delay [s], drift [ppm]."""
PAUSES_S = (3.0, 8.0)
"""Between the sentences of a robot whose person is silent: does it answer itself?"""


class Ear:
    """A node's way from the microphone to turn events."""

    def __init__(self, cancels: bool) -> None:
        self._canceller = EchoCanceller(RATE, FRAME, Processing() if cancels else None)
        self.monitor = TurnMonitor(RATE, FRAME)

    def hear(self, heard: Sound, robot: Sound) -> tuple[Sound, list[TurnEvent], list[bool], float]:
        """Return what is left, events, hold a frame, and CPU seconds a frame of cancelling.

        What is left has two rows: what is judged, and what the model hears.
        """
        left, events, holds, spent = [], [], [], 0.0
        for first in range(0, len(heard) - FRAME + 1, FRAME):
            stamp_ns = (first + RATE) * 1_000_000_000 // RATE
            said = robot[first : first + FRAME]
            self._canceller.reference.played(said, RATE, stamp_ns)
            begin = time.process_time()
            frame = self._canceller.process(heard[first : first + FRAME], stamp_ns)
            spent += time.process_time() - begin
            update = self.monitor.push(frame.clean, said, "", stamp_ns, frame)
            left.append(np.stack((frame.clean, frame.for_model)))
            events += update.events
            holds.append(update.hold)
        return np.concatenate(left, axis=1), events, holds, spent / max(1, len(holds))


def decibels(ratio: float) -> float:
    return 10.0 * float(np.log10(max(ratio, 1e-12)))


def onsets(events: Sequence[TurnEvent], state: str, kind: str = "interruption") -> list[TurnEvent]:
    return [e for e in events if (e.kind, e.state) == (kind, state)]


def alone(room: Room, acoustics: Acoustics, robot: Sound, cancels: bool, seed: int) -> dict:
    """Return what happens while the robot talks and nobody else does."""
    echo = echo_of(robot, room, acoustics, LEVEL)
    heard = microphone(echo, noise(len(echo), np.random.default_rng(seed)))
    left, events, holds, cost_s = Ear(cancels).hear(heard, robot)
    settled = round(SETTLED_S * RATE)
    power = float(np.mean(np.square(echo[settled : left.shape[1]])))
    judged_db, model_db = (decibels(power / p) for p in np.mean(left[:, settled:] ** 2, axis=1))
    late = [e for e in events if e.onset_ns / 1e9 - 1.0 >= SETTLED_S]
    held = holds[round(SETTLED_S * RATE / FRAME) :]
    return {
        "loss_db": judged_db, "model_loss_db": model_db,
        "suspected": len(onsets(late, "suspected")),
        "confirmed": len(onsets(late, "confirmed")), "held": float(np.sum(held)) * FRAME / RATE,
        "seconds": len(held) * FRAME / RATE, "cost_s": cost_s,
        "first": len(onsets(events, "suspected")) - len(onsets(late, "suspected")),
    }  # fmt: skip


def broken_in(
    room: Room, acoustics: Acoustics, robot: Sound, said: Iterator[Sound], cancels: bool, seed: int
) -> dict:
    """Return how soon people are suspected who break in while the robot talks."""
    echo = echo_of(robot, room, acoustics, LEVEL)
    near, starts = np.zeros_like(echo), []
    rng = np.random.default_rng((seed, 2))
    at_s = SETTLED_S + 1.0
    while at_s + LONGEST_S < len(robot) / RATE:
        first = round((at_s + rng.uniform(0.0, 0.5)) * RATE)
        while first + RATE < len(robot) and not amid_speech(robot, first):
            first += RATE // 50
        speech = person_at(next(said), acoustics, LEVEL)[: len(near) - first]
        near[first : first + len(speech)] += speech
        starts.append(first / RATE)
        at_s = first / RATE + EVERY_S
    heard = microphone(echo, near, noise(len(echo), np.random.default_rng(seed)))
    events = Ear(cancels).hear(heard, robot)[1]
    found = [
        (e.onset_ns / 1e9 - 1.0, e.decided_ns / 1e9 - 1.0)
        for e in events
        if e.kind == "interruption"
    ]
    waits = [
        min((done - start for onset, done in found if done > start and onset >= start - EARLY_S),
            default=float("inf"))
        for start in starts
    ]  # fmt: skip
    return {"waits": [wait if wait <= MISSED_S else float("inf") for wait in waits]}


def in_rooms(arguments: argparse.Namespace, level_db: float, cancels: bool) -> dict[str, Any]:
    """Return the figures of a level over all rooms."""
    rng = np.random.default_rng(arguments.seed)
    seconds = max(20.0, 60.0 * arguments.minutes / len(arguments.rooms))
    robot = talk(seconds, (0.1, 0.3), rng)
    lonely = talk(seconds, PAUSES_S, rng)
    long = talk(SETTLED_S + 1.0 + EVERY_S * max(1, arguments.persons // len(arguments.rooms)) + 3.0,
                (0.1, 0.3), rng)  # fmt: skip
    said = people(arguments.people, arguments.seed)
    acoustics = {rt60_s: Acoustics(rt60_s) for rt60_s in {room[0] for room in arguments.rooms}}
    single, waits, answered = [], [], 0
    for number, (rt60_s, delay_s, drift_ppm) in enumerate(arguments.rooms):
        room, place = Room(rt60_s, delay_s, drift_ppm, level_db), acoustics[rt60_s]
        row = alone(room, place, robot, cancels, number) | {"room": room.name}
        single.append(row)
        waits += broken_in(room, place, long, said, cancels, number)["waits"]
        quiet = alone(room, place, lonely, cancels, number)
        answered += quiet["confirmed"] + quiet["suspected"]
        print(f"  {room.name}: loss {row['loss_db']:.1f} dB, suspected {row['suspected']}, held "
              f"{row['held']:.1f} of {row['seconds']:.0f} s", flush=True)  # fmt: skip
    spoken = sum(row["seconds"] for row in single)
    waits_s = np.array(waits)
    return {
        "level_db": level_db, "cancels": cancels, "rooms": single,
        **{name: {"mean": float(np.mean([r[name] for r in single])),
                  "least": float(np.min([r[name] for r in single]))}
           for name in ("loss_db", "model_loss_db")},
        "confirmed_a_minute": 60 * sum(r["confirmed"] for r in single) / spoken,
        "suspected_a_minute": 60 * sum(r["suspected"] for r in single) / spoken,
        "held_share": sum(r["held"] for r in single) / spoken,
        "persons": len(waits), "soon_share": float(np.mean(waits_s <= SOON_S)),
        "missed_share": float(np.mean(np.isinf(waits_s))),
        "median_wait_s": float(np.median(waits_s)),
        "with_pauses_suspected": answered,
        "cost_ms": 1e3 * float(np.mean([r["cost_s"] for r in single])),
    }  # fmt: skip


GOALS = (
    ("echo return loss enhancement after 5 s, mean (least) of the rooms", "loss", ">= 30 dB"),
    ("the same of what the model hears", "model_loss", ">= 30 dB"),
    ("false interruptions confirmed, a minute of the robot's speech", "confirmed", "<= 0.1"),
    ("false interruptions suspected, a minute", "suspected", "<= 1"),
    ("motion held without a person, share of the time", "held", "<= 0.5 %"),
    ("true interruptions suspected within 250 ms", "soon", ">= 95 %"),
    ("true interruptions missed", "missed", "<= 2 %"),
    ("nano: right answers (without echo)", "answers", "3 points lower"),
    ("nano: falls silent when interrupted (without echo)", "silenced", "3 points lower"),
    ("nano: speaks after its own sound and no person's, times (minutes)", "itself", "0"),
    ("CPU a frame of 80 ms, delay added", "cost", "<= 0.5 ms, 10 ms"),
)


def cells(row: dict[str, Any]) -> dict[str, str]:
    """Return a row's figures in words."""
    found = {
        **{
            name: f"{row[f'{name}_db']['mean']:.0f} ({row[f'{name}_db']['least']:.0f}) dB"
            for name in ("loss", "model_loss")
        },
        "confirmed": f"{row['confirmed_a_minute']:.2f}",
        "suspected": f"{row['suspected_a_minute']:.2f}",
        "held": f"{100 * row['held_share']:.1f} %",
        "soon": f"{100 * row['soon_share']:.0f} % of {row['persons']}",
        "missed": f"{100 * row['missed_share']:.0f} %",
        "cost": f"{row['cost_ms']:.2f} ms, {10 if row['cancels'] else 0} ms",
    }
    talks = row.get("dialogues")
    if talks:
        quiet = talks["without_echo"]
        for name in ("answers", "silenced"):
            found[name] = f"{talks[name]} ({quiet[name]})"
        found["itself"] = f"{talks['itself']} ({talks['minutes']:.1f})"
    return found


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a table in Markdown."""
    heads = [f"echo {r['level_db']:+.0f} dB, AEC {'on' if r['cancels'] else 'off'}" for r in rows]
    lines = ["| what | goal | " + " | ".join(heads) + " |", "|---" * (len(rows) + 2) + "|"]
    columns = [cells(row) for row in rows]
    for text, key, goal in GOALS:
        values = " | ".join(column.get(key, "-") for column in columns)
        lines.append(f"| {text} | {goal} | {values} |")
    return "\n".join(lines)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of the robot's talk a level")
    parser.add_argument("--persons", type=int, default=56, help="who break in, a level")
    parser.add_argument("--dialogues", type=int, default=6, help="with nano, a level; 0 for none")
    parser.add_argument("--levels", type=float, nargs="+", default=[0.0, 12.0], metavar="DB")
    parser.add_argument("--people", type=Path, metavar="FOLDER", help="wave files of people")
    parser.add_argument("--rooms", type=int, default=len(ROOMS), help="of the seven, how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    torch.set_num_threads(1)
    spread = np.linspace(0, len(ROOMS) - 1, arguments.rooms).round().astype(int)
    arguments.rooms = [ROOMS[at] for at in spread]
    rows = []
    without = hold(None, False, arguments.dialogues, arguments.seed) if arguments.dialogues else {}
    for level_db in arguments.levels:
        for cancels in (True, False):
            print(f"echo {level_db:+g} dB, AEC {'on' if cancels else 'off'}", flush=True)
            row = in_rooms(arguments, level_db, cancels)
            if arguments.dialogues:
                room = Room(0.5, 0.12, 100.0, level_db)
                row["dialogues"] = hold(room, cancels, arguments.dialogues, arguments.seed)
                row["dialogues"]["without_echo"] = without
            rows.append(row)
            if arguments.json:
                text = json.dumps(rows, indent=1) + "\n"
                write_whole(arguments.json, lambda path, text=text: path.write_text(text))
    print()
    print(table(rows))


if __name__ == "__main__":
    main()
