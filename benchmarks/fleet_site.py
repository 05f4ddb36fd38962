"""A site of many robots, visitors who come and go over a day, and the GPUs that they need.

``python benchmarks/fleet_site.py [--robots 1000] [--price 2.5] [--frames gpu.json]`` simulates days
of a site whose robots share a fleet (docs/fleet.md). Visitors come as a Poisson process with a
profile over the day, each to any robot; who finds it talking goes on. Conversations are of
lognormal length. How many fit on a GPU follows from the time of a frame by sessions: measured by
``benchmarks/gpu.py --only sessions --json FILE`` (--frames FILE), or else estimated, which is said.
The number of GPUs is fixed or follows the conversations as Ray Serve does it, a new one being
there only when it has started. Printed are for each policy the GPUs, who was refused or waited,
how full the GPUs were, and what they cost at --price an hour.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

HOUR_S, DAY_S = 3600.0, 86_400.0
FRAME_MS = 80.0
SHARE = 0.75
"""Of a frame's time that a step may take: the server's --admission-share."""
PROFILE = (0, 0, 0, 0, 0, 0, 1, 3, 6, 9, 11, 12, 11, 10, 10, 10, 9, 8, 6, 4, 2, 1, 0, 0)
"""Visitors by hour of the day, in relation to each other."""
LOOK_S, LOOK_BACK_S = 10.0, 30.0
"""How often Ray Serve decides, and over how long it takes the mean."""

H100_ONE_MS, H100_ROW_MS, H100_SESSIONS = 9.8, 0.60, 36
"""Of the published size in bfloat16 on an H100 of 80 GB, docs/performance.md: a frame of one
session, measured; what each more adds, estimated: 0.53 ms to read its full context at 2.97 TB/s,
0.07 ms by the products of 64 rows, the codec's share unknown; and how many full contexts fit."""


@dataclass(frozen=True)
class Site:
    """Robots, visitors of each a day, and their conversations: mean seconds, and sigma of the log.

    robots 0: without end, so that nobody finds one talking. profile: by parts of the day.
    """

    robots: int = 1000
    visitors: float = 40.0
    mean_s: float = 90.0
    sigma: float = 0.8
    profile: tuple[float, ...] = PROFILE

    def peak(self) -> float:
        """Return the conversations at a time in the busiest part of the day, were none refused."""
        share = max(self.profile) / sum(self.profile)
        return self.robots * self.visitors * share * len(self.profile) * self.mean_s / DAY_S


@dataclass(frozen=True)
class Policy:
    """How many GPUs: at least and at most, by what share of their sessions that are taken.

    start_s: until a new one is there. up_s, down_s: for which it has to be too few, or too many.
    patience_s: for which a visitor's robot waits for room.
    """

    least: int
    most: int
    sessions: int
    busy: float = 0.7
    start_s: float = 120.0
    up_s: float = 5.0
    down_s: float = 600.0
    patience_s: float = 5.0


@dataclass
class Outcome:
    """What came of it: counts of visitors, seconds."""

    came: int = 0
    found_busy: int = 0
    refused: int = 0
    waits_s: list[float] = field(default_factory=list)
    most_gpus: int = 0
    gpu_s: float = 0.0
    session_s: float = 0.0

    @property
    def asked(self) -> int:
        """Visitors whose robot asked for a conversation."""
        return self.came - self.found_busy

    @property
    def refused_share(self) -> float:
        """Share of them that was refused."""
        return self.refused / max(1, self.asked)


def arrivals(site: Site, days: int, rng: np.random.Generator) -> np.ndarray:
    """Return when visitors come, in seconds, in order."""
    parts = len(site.profile)
    part_s = DAY_S / parts
    share = np.tile(np.asarray(site.profile, float) / sum(site.profile), days)
    counts = rng.poisson(share * site.visitors * max(site.robots, 1))
    begins = np.repeat(np.arange(days * parts) * part_s, counts)
    return np.sort(begins + rng.random(len(begins)) * part_s)


@dataclass
class _Gpu:
    ready: bool = False
    ending: bool = False
    taken: int = 0


class Simulation:
    """A site under a policy, from one event to the next."""

    def __init__(self, site: Site, policy: Policy, days: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._policy, self._site = policy, site
        self._times = arrivals(site, days, rng)
        count = len(self._times)
        mu = math.log(site.mean_s) - site.sigma**2 / 2
        self._lengths = rng.lognormal(mu, site.sigma, count)
        self._robots = rng.integers(max(site.robots, 1), size=count)
        self._end_s = days * DAY_S
        self._now = 0.0
        self._events: list[tuple[float, int, str, int]] = []
        self._number = 0
        self._gpus: dict[int, _Gpu] = {}
        self._queue: deque[int] = deque()
        self._waiting: set[int] = set()
        self._talking: set[int] = set()  # robots
        self._held: dict[int, int] = {}  # visitor -> GPU
        self._loads: deque[float] = deque(maxlen=max(1, round(LOOK_BACK_S / LOOK_S)))
        self._above_s = self._below_s = 0.0
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Simulate all days; return what came of it."""
        for _ in range(self._policy.least):
            self._start(0.0)
        for visitor, when in enumerate(self._times):
            self._at(float(when), "come", visitor)
        scaled = self._policy.most > self._policy.least
        if scaled:
            self._at(LOOK_S, "look", 0)
        while self._events:
            when, _, what, which = heapq.heappop(self._events)
            if when > self._end_s:
                break
            self._pass(when)
            getattr(self, f"_{what}")(which)
        self._pass(self._end_s)
        return self.outcome

    def _at(self, when: float, what: str, which: int) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, what, which))

    def _pass(self, when: float) -> None:
        self.outcome.gpu_s += len(self._gpus) * (when - self._now)
        self.outcome.session_s += len(self._held) * (when - self._now)
        self._now = when

    def _come(self, visitor: int) -> None:
        self.outcome.came += 1
        robot = int(self._robots[visitor])
        if self._site.robots and robot in self._talking:
            self.outcome.found_busy += 1
            return
        self._talking.add(robot)
        self._queue.append(visitor)
        self._waiting.add(visitor)
        self._fill()
        if visitor in self._waiting:
            self._at(self._now + self._policy.patience_s, "give_up", visitor)

    def _give_up(self, visitor: int) -> None:
        if visitor in self._waiting:
            self._waiting.discard(visitor)
            self._talking.discard(int(self._robots[visitor]))
            self.outcome.refused += 1

    def _over(self, visitor: int) -> None:
        name = self._held.pop(visitor)
        self._talking.discard(int(self._robots[visitor]))
        gpu = self._gpus[name]
        gpu.taken -= 1
        if gpu.ending and not gpu.taken:
            del self._gpus[name]
        self._fill()

    def _ready(self, name: int) -> None:
        if name in self._gpus:
            self._gpus[name].ready = True
            self._fill()

    def _fill(self) -> None:
        """Give room to those who wait, in their order, on the GPU with the fewest."""
        while self._queue:
            if self._queue[0] not in self._waiting:
                self._queue.popleft()
                continue
            free = [
                (gpu.taken, name)
                for name, gpu in self._gpus.items()
                if gpu.ready and not gpu.ending and gpu.taken < self._policy.sessions
            ]
            if not free:
                return
            visitor, name = self._queue.popleft(), min(free)[1]
            self._waiting.discard(visitor)
            self._gpus[name].taken += 1
            self._held[visitor] = name
            self.outcome.waits_s.append(self._now - float(self._times[visitor]))
            self._at(self._now + float(self._lengths[visitor]), "over", visitor)

    def _look(self, _: int) -> None:
        """Decide as Ray Serve's autoscaler does."""
        policy = self._policy
        self._loads.append(len(self._held) + len(self._waiting))
        load = sum(self._loads) / len(self._loads)
        wanted = math.ceil(load / (policy.busy * policy.sessions))
        wanted = min(policy.most, max(policy.least, wanted))
        there = sum(not gpu.ending for gpu in self._gpus.values())
        self._above_s = self._above_s + LOOK_S if wanted > there else 0.0
        self._below_s = self._below_s + LOOK_S if wanted < there else 0.0
        if self._above_s >= policy.up_s:
            for _ in range(wanted - there):
                self._start(policy.start_s)
        elif self._below_s > policy.down_s:
            self._end(there - wanted)
        self._at(self._now + LOOK_S, "look", 0)

    def _start(self, start_s: float) -> None:
        self._number += 1
        self._gpus[self._number] = _Gpu()
        self.outcome.most_gpus = max(self.outcome.most_gpus, len(self._gpus))
        if start_s:
            self._at(self._now + start_s, "ready", self._number)
        else:
            self._gpus[self._number].ready = True

    def _end(self, count: int) -> None:
        """Let those end that hold the fewest, as soon as these are over."""
        going = sorted((g.taken, name) for name, g in self._gpus.items() if not g.ending)
        for taken, name in going[:count]:
            self._gpus[name].ending = True
            if not taken:
                del self._gpus[name]


def erlang_b(servers: int, load: float) -> float:
    """Return the share that is refused of a Poisson process at servers without a queue."""
    share = 1.0
    for number in range(1, servers + 1):
        share = load * share / (number + load * share)
    return share


def servers_for(load: float, refused: float) -> int:
    """Return how many servers refuse at most such a share."""
    return next(n for n in range(1, 10**6) if erlang_b(n, load) <= refused)


def frame_times(file: Path | None) -> tuple[dict[int, float], str]:
    """Return milliseconds of a frame (p99) by sessions, and where they are from."""
    if file is None:
        counts = sorted({1, 2, 4, 8, 16, 32, H100_SESSIONS})
        times = {n: H100_ONE_MS + (n - 1) * H100_ROW_MS for n in counts}
        return times, "ESTIMATED from a measured frame of one session, H100 (docs/performance.md)"
    rows = json.loads(file.read_text())["sessions"]
    kinds = {row["weights"] for row in rows}
    kind = "as dtype" if "as dtype" in kinds else sorted(kinds)[0]
    return {r["sessions"]: r["p99_ms"] for r in rows if r["weights"] == kind}, f"measured, {file}"


def sessions_of(times: dict[int, float]) -> int:
    """Return how many sessions a GPU holds with frames in time."""
    good = [count for count, ms in times.items() if ms <= SHARE * FRAME_MS]
    if not good:
        raise SystemExit("a frame of no number of sessions is in time")
    return max(good)


HEAD = (
    "| policy | GPUs at most | refused | waited | p99 of waits | taken | GPU hours a day | cost a "
    "day | cost of 1000 conversations |\n|---|---|---|---|---|---|---|---|---|"
)


def row(name: str, outcome: Outcome, policy: Policy, days: int, price: float) -> str:
    """Return an outcome as a line of the table."""
    waits = np.asarray(outcome.waits_s)
    waited = float((waits > 0).mean()) if len(waits) else 0.0
    p99_s = float(np.percentile(waits, 99)) if len(waits) else 0.0
    hours = outcome.gpu_s / HOUR_S / days
    full = outcome.session_s / max(1.0, outcome.gpu_s * policy.sessions)
    return (
        f"| {name} | {outcome.most_gpus} | {100 * outcome.refused_share:.2f} % | "
        f"{100 * waited:.2f} % | {p99_s:.1f} s | {100 * full:.0f} % | {hours:.0f} | "
        f"{hours * price:.0f} | {1000 * hours * price * days / max(1, len(waits)):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--robots", type=int, default=1000)
    parser.add_argument("--visitors", type=float, default=40.0, help="of a robot, a day")
    parser.add_argument("--mean", type=float, default=90.0, help="seconds of a conversation")
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--price", type=float, default=2.5, help="of a GPU an hour; an example")
    parser.add_argument("--frames", type=Path, metavar="FILE", help="of benchmarks/gpu.py --json")
    parser.add_argument("--sessions", type=int, help="on a GPU, in place of what frames allow")
    arguments = parser.parse_args()
    times, source = frame_times(arguments.frames)
    sessions = arguments.sessions or sessions_of(times)
    site = Site(arguments.robots, arguments.visitors, arguments.mean)
    peak = site.peak()
    needed = servers_for(peak, 0.01)
    fixed = math.ceil(needed / sessions)
    print("ms of a frame by sessions: " + ", ".join(f"{n}: {t:.1f}" for n, t in times.items()))
    print(f"   {source}")
    print(
        f"{sessions} sessions a GPU; {site.robots} robots, each with {site.visitors:g} visitors a "
        f"day, {site.mean_s:g} s on the average: {peak:.0f} conversations at a time in the "
        "busiest hour"
    )
    print(f"1 % refused with {needed} sessions (Erlang B): {fixed} GPUs, "
          f"{site.robots / fixed:.0f} robots a GPU\n")  # fmt: skip
    print(HEAD)
    base = Policy(1, 4 * fixed, sessions)
    policies = {f"fixed, {n} GPUs": replace(base, least=n, most=n) for n in (fixed, fixed + 1)}
    for start_s in (30.0, 120.0, 600.0):
        policies[f"1 to {base.most}, start in {start_s:g} s"] = replace(base, start_s=start_s)
    policies["the same, at half full"] = replace(base, start_s=600.0, busy=0.5)
    for name, policy in policies.items():
        outcome = Simulation(site, policy, arguments.days, arguments.seed).run()
        print(row(name, outcome, policy, arguments.days, arguments.price), flush=True)


if __name__ == "__main__":
    main()
