"""How soon an interrupted robot falls silent, left to the model and with the node's help.

usage: python benchmarks/yielding.py [--breaks 24] [--dialogues 48] [--deaf-s 3] [--seed 0]
       [--models MODEL ...] [--slots 6] [--json FILE]

Needs requirements-training.txt. Callers that nano was not trained on ask, break into the answer,
and ask once more. Three models: nano; nano to which the caller is hidden for `--deaf-s` seconds
from the begin of the interruption, so that it talks on; and such a one that is given long
sentences to say, as by ~/say. Each with `yield: model` and with `yield: assist`, by the node's own
turn monitor and help. Times are from the caller's first sample, and from the confirmation, to the
last sound before 0.8 s of silence. "Random moment": the same for moments of answers that nobody
broke into, drawn as the callers draw theirs.

Then nano's own dialogues of `benchmarks/nano.py`, with and without help. A conversation is the same
until help comes, so of those with `yield: model` only the ones are held in which it came.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from personaplex_ros.engine import Engine, Persona, Sampling, Session, StepResult
from personaplex_ros.files import write_whole
from personaplex_ros.training.evaluation.caller import Caller
from personaplex_ros.training.evaluation.converse import Dialogue, Job, Talk
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import TALK_S, Plan, plan_dialogue
from personaplex_ros.training.evaluation.sound import Sound, any_sound, first_sound
from personaplex_ros.training.evaluation.turns import turns
from personaplex_ros.training.world import World, load_world
from personaplex_ros.turns import GivingWay, TurnEvent, TurnMonitor, TurnParameters

SILENCE_S = 0.8  # longer than the pauses between words that are put into a model's silence
YIELDS = ("model", "assist")
MODELS = ("nano", "nano, deaf", "nano, deaf and given a sentence")
STORY = (
    "The meeting room is on the second floor. The lifts are behind the cafeteria. There is fresh "
    "water on the table. The coffee machine is next to the stairs. The exit is right behind you."
)
FIGURES = {
    "answer": "right answer", "silenced": "falls silent when interrupted",
    "new_answer": "then answers the new question", "goes_on": "goes on at a backchannel",
    "takeover": "takes the turn",
}  # fmt: skip


@dataclass
class Robot:
    """A conversation with what a node does around the model."""

    talk: Talk
    session: Session
    monitor: TurnMonitor
    way: GivingWay
    model: str
    assisted: bool
    events: list[TurnEvent] = field(default_factory=list)
    given: bool = False

    @property
    def now_s(self) -> float:
        """Begin of the next frame."""
        return len(self.talk.results) * 0.08

    def hears(self, frame: NDArray[np.float32], deaf_s: float) -> NDArray[np.float32]:
        """Return what the model hears of a frame."""
        if self.model == "nano":
            return frame
        for said in self.talk.caller.said:
            begins_s = said.start_s - 0.08
            if said.utterance.kind == "interruption" and 0 <= self.now_s - begins_s < deaf_s:
                return np.zeros_like(frame)
        return frame

    def answers(self, frame: NDArray[np.float32], result: StepResult) -> None:
        """Play what the model answered, and follow the turns."""
        audio = result.audio.copy()
        self.way.shape(audio)
        stamp_ns = round(1e9 * self.now_s)
        update = self.monitor.push(frame, audio, result.piece, stamp_ns)
        self.way.follow(update)
        self.events += update.events
        gave_way = any(event.kind in ("robot_silenced", "robot_yielded") for event in update.events)
        if gave_way and self.assisted and not self.way.helping:
            self.session.go_on()
        self.talk.results.append(replace(result, audio=audio))
        if (
            self.model == "nano, deaf and given a sentence"
            and update.robot_speaking
            and not self.given
        ):
            self.given = True
            self.session.say(STORY)


@dataclass(frozen=True)
class Stage:
    """Where conversations are held, ``slots`` at a time."""

    engine: Engine
    world: World
    slots: int
    seed: int
    deaf_s: float

    def hold(
        self, plans: Iterable[tuple[int, Plan]], model: str, yield_: str
    ) -> Iterator[tuple[Dialogue, list[TurnEvent]]]:
        """Yield each conversation when it is over, with the events of its turns."""
        waiting, robots = iter(plans), dict[Session, Robot]()
        while True:
            while len(robots) < self.slots and (plan := next(waiting, None)) is not None:
                robot = self._open(*plan, model, yield_)
                robots[robot.session] = robot
            if not robots:
                return
            size = self.engine.frame_size
            spoken = {s: r.talk.hear(size).astype(np.float32) for s, r in robots.items()}
            heard = {s: r.hears(spoken[s], self.deaf_s) for s, r in robots.items()}
            for session, result in self.engine.step(heard).items():
                robot = robots[session]
                robot.answers(spoken[session], result)
                if robot.talk.caller.done:
                    session.close()
                    del robots[session]
                    yield robot.talk.finish(), robot.events

    def _open(self, number: int, plan: Plan, model: str, yield_: str) -> Robot:
        engine = self.engine
        job = Job(number, plan, "pt", f"{plan.voice}.pt")
        persona = Persona(plan.facts.name, plan.prompt, job.voice)
        session = engine.open(persona, Sampling(), self.seed * 1_000_003 + number)
        caller = Caller(plan, np.random.default_rng((self.seed, 6, number)))
        monitor = TurnMonitor(
            engine.sample_rate,
            engine.frame_size,
            parameters=TurnParameters(yield_=yield_),
            robot_delay_s=engine.frame_size / engine.sample_rate,
        )
        way = GivingWay(engine.sample_rate, session)
        return Robot(Talk(job, caller), session, monitor, way, model, yield_ == "assist")


def short_plan(plan: Plan) -> Plan:
    """Return only the question that is broken into, the interruption, and one question more."""
    said = plan.utterances
    at = next(i for i, one in enumerate(said) if one.kind == "interruption")
    plain = [one for one in said if one.kind == "question" and one.intent != "repeat"]
    after = next(one for one in plain if one is not said[at - 1])
    return replace(plan, utterances=(said[at - 1], said[at], after))


def time_to_silence(sound: Sound, from_s: float) -> float:
    """Return how long after a moment the robot is last heard before ``SILENCE_S`` of silence."""
    at_s = from_s
    while any_sound(sound, at_s, at_s + SILENCE_S):
        at_s += 0.01
    return at_s - from_s


def random_moments(dialogue: Dialogue, rng: np.random.Generator) -> list[float]:
    """Return times to silence after moments of answers that nobody spoke into."""
    times = []
    for turn in turns(dialogue.said, dialogue.duration_s):
        begin_s = first_sound(dialogue.sound, turn.asked.end_s, turn.until_s)
        if turn.into is None and begin_s is not None:
            at_s = begin_s + float(rng.uniform(*TALK_S))
            if any_sound(dialogue.sound, at_s, at_s + SILENCE_S):
                times.append(time_to_silence(dialogue.sound, at_s))
    return times


def break_in(stage: Stage, count: int, model: str, yield_: str, bar: Any) -> dict[str, Any]:
    """Return what became of callers who broke in."""
    onset, confirmed, after, answered = [], [], [], []
    rng = np.random.default_rng((stage.seed, 9))
    helped = 0
    plans = ((n, short_plan(plan_dialogue(stage.world, (stage.seed, 1, n)))) for n in range(count))
    for dialogue, events in stage.hold(plans, model, yield_):
        bar.update()
        after += random_moments(dialogue, rng)
        breaks = [one for one in dialogue.said if one.utterance.kind == "interruption"]
        sure = [e for e in events if (e.kind, e.state) == ("interruption", "confirmed")]
        if not breaks or not sure:
            continue
        begin_s, confirmed_s = breaks[0].start_s, sure[0].decided_ns / 1e9
        onset.append(time_to_silence(dialogue.sound, begin_s))
        confirmed.append(max(0.0, begin_s + onset[-1] - confirmed_s))
        helped += any(event.kind == "robot_silenced" for event in events)
        verdicts = judge(dialogue, stage.world)
        answered += [v.value for v in verdicts if v.measure in ("new_answer", "answer")][-1:]
    return {"model": model, "yield": yield_, "n": len(onset), "helped": helped,
            "onset_s": onset, "confirmed_s": confirmed, "random_s": after,
            "answers": float(np.mean(answered))}  # fmt: skip


def own_figures(stage: Stage, count: int, bar: Any) -> dict[str, Any]:
    """Return nano's figures with and without help, and how often help came to what."""

    def plans(numbers: Iterable[int]) -> Iterator[tuple[int, Plan]]:
        return ((n, plan_dialogue(stage.world, (stage.seed, 1, n))) for n in numbers)

    def values(dialogue: Dialogue) -> dict[str, list[float]]:
        verdicts = judge(dialogue, stage.world)
        return {m: [v.value for v in verdicts if v.measure == m] for m in FIGURES}

    assist, helped = dict[int, dict[str, list[float]]](), list[int]()
    for dialogue, events in stage.hold(plans(range(count)), "nano", "assist"):
        bar.update()
        assist[dialogue.number] = values(dialogue)
        if any(event.kind == "robot_silenced" for event in events):
            helped.append(dialogue.number)
    again = stage.hold(plans(helped), "nano", "model")
    model = assist | {dialogue.number: values(dialogue) for dialogue, _ in again}

    def shares(of: dict[int, dict[str, list[float]]]) -> dict[str, tuple[float, int]]:
        found = {m: [v for one in of.values() for v in one[m]] for m in FIGURES}
        return {m: (float(np.mean(some)), len(some)) for m, some in found.items()}

    return {"dialogues": count, "helped": helped, "model": shares(model), "assist": shares(assist)}


def quantiles(values: list[float]) -> str:
    median, late = np.quantile(values, (0.5, 0.9)) if values else (np.nan, np.nan)
    return f"{median:.2f} s ({late:.2f})"


def print_breaks(rows: list[dict[str, Any]]) -> None:
    head = ("model", "yield", "n", "silent after onset", "after confirmation", "random moment")
    print("median (9 of 10 within)")
    print("{:31} {:7} {:>3} {:>20} {:>20} {:>16}  helped  then answers".format(*head))
    for row in rows:
        print(f"{row['model']:31} {row['yield']:7} {row['n']:3} {quantiles(row['onset_s']):>20} "
              f"{quantiles(row['confirmed_s']):>20} {quantiles(row['random_s']):>16}  "
              f"{row['helped']:6}  {row['answers']:.0%}")  # fmt: skip
    for model in {row["model"]: None for row in rows}:
        alone, helped = (
            np.mean(row["confirmed_s"])
            for yield_ in YIELDS
            for row in rows
            if (row["model"], row["yield"]) == (model, yield_)
        )
        print(f"{model}: mean from the confirmation, model / assist = {alone:.2f} s / "
              f"{helped:.2f} s = {alone / helped if helped else float('nan'):.1f}")  # fmt: skip


def print_figures(figures: dict[str, Any]) -> None:
    print(f"\nnano's own dialogues: {figures['dialogues']}, help came in {len(figures['helped'])}")
    for measure, name in FIGURES.items():
        (alone, count), (helped, _) = figures["model"][measure], figures["assist"][measure]
        print(f"{name:32} model {alone:6.1%}  assist {helped:6.1%}  n {count}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--breaks", type=int, default=24, help="callers who break in, each way")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--dialogues", type=int, default=48, help="of nano's own table")
    parser.add_argument("--deaf-s", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slots", type=int, default=6, help="conversations at a time")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    engine = Engine.load("nano", slots=arguments.slots, threads=torch.get_num_threads())
    stage = Stage(engine, load_world(), arguments.slots, arguments.seed, arguments.deaf_s)
    ways = [(model, yield_) for model in arguments.models for yield_ in YIELDS]
    total = len(ways) * arguments.breaks + arguments.dialogues
    with tqdm(total=total, unit="dialogue", mininterval=10) as bar:
        rows = [break_in(stage, arguments.breaks, *way, bar) for way in ways if arguments.breaks]
        figures = own_figures(stage, arguments.dialogues, bar) if arguments.dialogues else {}
    if rows:
        print_breaks(rows)
    if figures:
        print_figures(figures)
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key != "json"}
        text = json.dumps({"settings": settings, "breaks": rows, "figures": figures}, indent=1)
        write_whole(arguments.json, lambda path: path.write_text(text + "\n"))


if __name__ == "__main__":
    main()
