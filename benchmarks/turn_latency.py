"""How soon and how surely turn events come, on synthetic sound with exact truth.

usage: python benchmarks/turn_latency.py [--trials 200] [--minutes 2]
       [--echo-loss-db 30] [--seed 0] [--json FILE]

Needs requirements-training.txt. Callers that nothing was trained on speak into silence and into the
robot's sound, over noise 40, 20 and 10 dB below them and an echo of the robot 40 dB below it. The
latency of an event is its `decided_ns` less the caller's first sample: what a user of the topic
waits for, the frame of 80 ms in which the onset lies included, the model's and DDS's time not. Then
the robot talks while nobody does, and every start and interruption is a false one.

The same tracker runs twice, once on Silero VAD behind the echo guard, as the node does, and once on
the microphone's level with a fixed threshold 16 dB below a caller's level. Aims, with Silero VAD:
suspected starts and interruptions at most 120 ms late in the median and 200 ms in 99 of 100.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from turn_scenes import FRAME, RATE, SNRS_DB, Scene, caller_scene, disturbances, disturbed_scene

from personaplex_ros.files import write_whole
from personaplex_ros.turns import (
    LevelActivity,
    MotionHold,
    SpeechActivity,
    TurnEvent,
    TurnParameters,
    TurnTracker,
)
from personaplex_ros.turns.guards.echo import EchoGuard

DETECTORS = ("silero", "level")
LEVEL_DBFS = (-40.0, -45.0)
EARLY_S = 0.05  # a window that holds the onset may begin before it; what is earlier is false
MEDIAN_S, P99_S = 0.120, 0.200
STEPS = (("user_started", "suspected"), ("user_started", "confirmed"),
         ("interruption", "suspected"), ("interruption", "confirmed"))  # fmt: skip


class Listener:
    """One way to follow a scene: a detector of the person's activity, tracker and hold."""

    def __init__(self, detector: str, echo_loss_db: float) -> None:
        on, off = LEVEL_DBFS
        self._parameters = TurnParameters(echo_loss_db=echo_loss_db)
        self._user = (
            SpeechActivity(RATE, FRAME)
            if detector == "silero"
            else LevelActivity(RATE, FRAME, on_dbfs=on, off_dbfs=off, window_s=0.032)
        )
        self._guarded = detector == "silero"

    def follow(self, scene: Scene) -> tuple[list[TurnEvent], float]:
        """Return the events of a scene that begins at time 0, and for how long motion was held."""
        parameters = self._parameters
        tracker = TurnTracker(parameters, RATE, FRAME)
        guard = EchoGuard(RATE, FRAME, parameters.echo_loss_db)
        robot, hold = LevelActivity(RATE, FRAME), MotionHold()
        self._user.reset()
        told: list[TurnEvent] = []
        held = 0
        for first in range(0, len(scene.user), FRAME):
            user_frame = scene.user[first : first + FRAME]
            robot_frame = scene.robot[first : first + FRAME]
            windows = self._user.push(user_frame)
            if self._guarded:
                windows = guard.push(user_frame, robot_frame, windows)
            stamp_ns = first * 1_000_000_000 // RATE
            events = tracker.update(stamp_ns, windows, robot.push(robot_frame))
            held += hold.update(stamp_ns + 80_000_000, events)
            told += events
        return told, held * FRAME / RATE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200, help="callers in each of two situations")
    parser.add_argument("--minutes", type=float, default=2.0, help="of each disturbance")
    parser.add_argument("--echo-loss-db", type=float, default=TurnParameters().echo_loss_db)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    listeners = {name: Listener(name, arguments.echo_loss_db) for name in DETECTORS}
    latency = latencies(listeners, arguments.trials, arguments.seed)
    false = false_alarms(listeners, arguments.minutes, arguments.seed)
    print_latencies(latency)
    print_false_alarms(false)
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key != "json"}
        rows = {"settings": settings, "latency": latency, "false_alarms": false}
        text = json.dumps(rows, indent=1) + "\n"
        write_whole(arguments.json, lambda path: path.write_text(text))


def latencies(listeners: dict[str, Listener], trials: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    found: dict[tuple[str, str, str], list[float]] = {}
    for over_robot in (False, True):
        for number in tqdm(range(trials), unit="caller", desc="latency"):
            scene = caller_scene(rng, SNRS_DB[number % len(SNRS_DB)], over_robot)
            for name, listener in listeners.items():
                events, _ = listener.follow(scene)
                for kind, state in STEPS:
                    if (kind == "interruption") == over_robot:
                        seconds = first_latency(events, kind, state, scene.onset_s)
                        found.setdefault((name, kind, state), []).append(seconds)
    rows = []
    for (name, kind, state), values in sorted(found.items(), reverse=True):
        heard = np.array([value for value in values if np.isfinite(value)])
        median, p99 = np.quantile(heard, (0.5, 0.99)) if heard.size else (np.nan, np.nan)
        rows.append({"detector": name, "kind": kind, "state": state, "callers": len(values),
                     "missed": len(values) - heard.size, "median_s": float(median),
                     "p99_s": float(p99)})  # fmt: skip
    return rows


def first_latency(events: Iterable[TurnEvent], kind: str, state: str, onset_s: float) -> float:
    """Return how long after the truth the event was decided; infinite where it never was."""
    decided = (
        event.decided_ns / 1e9 - onset_s
        for event in events
        if (event.kind, event.state) == (kind, state) and event.onset_ns / 1e9 > onset_s - EARLY_S
    )
    return next(decided, float("inf"))


def false_alarms(listeners: dict[str, Listener], minutes: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for sound, make in tqdm(disturbances(seed).items(), desc="disturbances"):
        scene = disturbed_scene(make, 60.0 * minutes, seed)
        for name, listener in listeners.items():
            events, held_s = listener.follow(scene)
            counts = {
                f"{kind} {state}": sum((e.kind, e.state) == (kind, state) for e in events) / minutes
                for kind, state in STEPS
            }
            rows.append({"detector": name, "sound": sound, "per_minute": counts,
                         "held_share": held_s / (60.0 * minutes)})  # fmt: skip
    return rows


def print_latencies(rows: list[dict[str, Any]]) -> None:
    print(f"{'event':24} {'detector':9} {'callers':>7} {'missed':>6} {'median':>8} {'p99':>8}")
    for row in rows:
        event = f"{row['kind']} {row['state']}"
        aim = ""
        if row["detector"] == "silero" and row["state"] == "suspected":
            met = row["median_s"] <= MEDIAN_S and row["p99_s"] <= P99_S
            aim = f"  aim {1e3 * MEDIAN_S:.0f} and {1e3 * P99_S:.0f} ms: {'yes' if met else 'no'}"
        print(f"{event:24} {row['detector']:9} {row['callers']:7} {row['missed']:6} "
              f"{1e3 * row['median_s']:5.0f} ms {1e3 * row['p99_s']:5.0f} ms{aim}")  # fmt: skip


def print_false_alarms(rows: list[dict[str, Any]]) -> None:
    columns = [f"{kind} {state}" for kind, state in STEPS]
    print(f"\n{'false, a minute':20} {'detector':9} " + " ".join(f"{c:>23}" for c in columns)
          + f" {'held':>6}")  # fmt: skip
    for row in rows:
        counts = " ".join(f"{row['per_minute'][column]:23.1f}" for column in columns)
        print(f"{row['sound']:20} {row['detector']:9} {counts} {row['held_share']:6.1%}")
    print()
    for column in columns[2:]:
        silero, level = (
            sum(row["per_minute"][column] for row in rows if row["detector"] == name)
            for name in DETECTORS
        )
        ratio = f"{level / silero:.1f}" if silero else "infinity"
        print(f"false {column}, all sounds: level / silero = {level:.1f} / {silero:.1f} = {ratio}")


if __name__ == "__main__":
    main()
