"""How a bundled model gives way: dialogues of nothing but interruptions, of one or more models.

usage: python benchmarks/interruptions.py [--checkpoints nano DIR ...] [--dialogues 24] [--seed 5]

The table of `benchmarks/nano.py` has one interruption a dialogue, too few to compare two models by.
Here every exchange of a dialogue is one, asked by the same callers in the same words of each model.
Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse

from personaplex_ros.engine import Engine, Sampling
from personaplex_ros.estimate import Estimate, share
from personaplex_ros.markdown import markdown_table
from personaplex_ros.training.evaluation.converse import Stage
from personaplex_ros.training.evaluation.judge import judge
from personaplex_ros.training.evaluation.scenarios import plan_dialogue
from personaplex_ros.training.world import load_world

EXCHANGES = ("interruption",) * 5
MEASURES = {
    "silenced": "falls silent when interrupted",
    "new_answer": "then answers the new question",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", nargs="+", default=["nano"], metavar="DIR")
    parser.add_argument("--dialogues", type=int, default=24)
    parser.add_argument("--slots", type=int, default=8, help="dialogues at a time")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    lines = [("checkpoint", "what", "value", "95 %", "n")]
    for checkpoint in arguments.checkpoints:
        engine = Engine.load(checkpoint, slots=arguments.slots, threads=arguments.threads)
        stage = Stage(engine, load_world(), arguments.slots, Sampling(), arguments.seed)
        for measure, one in interrupted(stage, arguments.dialogues).items():
            value, low, high = (f"{100 * x:.1f}" for x in (one.value, one.low, one.high))
            lines.append((checkpoint, MEASURES[measure], value, f"{low} to {high}", str(one.n)))
    print(markdown_table(lines))


def interrupted(stage: Stage, count: int) -> dict[str, Estimate]:
    """Hold so many dialogues; return the share of each of ``MEASURES``."""
    held = stage.hold(
        lambda number: plan_dialogue(stage.world, (stage.seed, 1, number), EXCHANGES), count
    )
    verdicts = [verdict for dialogue in held for verdict in judge(dialogue, stage.world)]
    return {
        measure: share([one.value > 0.5 for one in verdicts if one.measure == measure])
        for measure in MEASURES
    }


if __name__ == "__main__":
    main()
