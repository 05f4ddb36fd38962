"""Measure a model with Full-Duplex-Bench, or our turn events with TurnBench.

Full-Duplex-Bench (the default, needs --task): the model is run over the input.wav of every sample
of a folder, a recogniser hears the words of what it says, and both are scored. What is there
already is kept: a run that was stopped goes on.

TurnBench (--suite turnbench): ends of turns and interruptions, as turn_event tells them and as
Silero VAD with fixed silences does, in two-channel conversations that are annotated. No model is
run; of the options count --data, --synthetic, --seed, --json and the group turnbench.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from personaplex_ros.benchmark.human_timing import found_human_timing, read_human_timing
from personaplex_ros.benchmark.quirks import ALL, Quirks
from personaplex_ros.benchmark.recogniser import DEFAULT, load_recogniser, transcribe
from personaplex_ros.benchmark.report import Report
from personaplex_ros.benchmark.runner import Model, run_model, unanswered
from personaplex_ros.benchmark.sample import Sample, read_samples
from personaplex_ros.benchmark.score import Judge
from personaplex_ros.benchmark.tasks import TASKS, Task
from personaplex_ros.benchmark.voice_activity import speech_listener
from personaplex_ros.benchmark.words import write_json
from personaplex_ros.benchmark.worst_cases import draw, worst
from personaplex_ros.cli.arguments.model import (
    add_model_arguments,
    chosen_persona,
    chosen_sampling,
    load_engine,
)
from personaplex_ros.cli.arguments.paths import check_folder, outputs, refuse_shared_paths
from personaplex_ros.cli.synthesis import check_synthetic
from personaplex_ros.cli.turnbench import SUITE as TURNBENCH
from personaplex_ros.cli.turnbench import add_suite_arguments, run_suite
from personaplex_ros.engine import Persona

VOICE = "NATF2"
FULL_DUPLEX_BENCH = "full-duplex-bench"
ONLY_TURNBENCH = {"predictions", "write_predictions", "natural"}
SHARED = {"suite", "data", "json", "synthetic", "seed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument(
        "--suite",
        choices=(FULL_DUPLEX_BENCH, TURNBENCH),
        default=FULL_DUPLEX_BENCH,
        help=f"the benchmark (default: {FULL_DUPLEX_BENCH})",
    )
    parser.add_argument("--task", choices=TASKS, help=f"what {FULL_DUPLEX_BENCH} measures")
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder with a folder a sample or conversation",
    )
    parser.add_argument(
        "--synthetic",
        type=int,
        metavar="N",
        help="first put N samples that are synthesised here into DIR; who is talked to is then "
        "the receptionist",
    )
    parser.add_argument(
        "--score-only", action="store_true", help="run no model: score the outputs that are there"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="run the model again where there is an output"
    )
    parser.add_argument("--slots", type=int, default=1, help="samples at a time (default: 1)")
    parser.add_argument(
        "--recogniser",
        default=DEFAULT,
        metavar="NAME",
        help=f"{DEFAULT} (default), or module:function of your own; hears the outputs that have "
        "no output.json",
    )
    parser.add_argument(
        "--human",
        type=Path,
        metavar="FILE",
        help="people's timing of backchannels (default: icc_gt_distribution.json in DIR or above)",
    )
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME",
        help=f"do as the published scripts do in this; repeatable, {ALL} for all: "
        f"{', '.join(Quirks.named([ALL]).names())}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write scores of all samples")
    parser.add_argument(
        "--timelines", type=Path, metavar="DIR", help="draw the worst samples into this folder"
    )
    parser.add_argument("--worst", type=int, default=5, help="how many of them (default: 5)")
    add_suite_arguments(parser)
    add_model_arguments(parser, "the role that the task is measured with, see docs/benchmark.md")
    parser.set_defaults(defaults=vars(parser.parse_args(["--data", "."])))


def run(arguments: argparse.Namespace) -> int:
    """Run the suite's measurement."""
    files = {"--json": arguments.json, "--write-predictions": arguments.write_predictions}
    _refuse_other_options(arguments)
    with outputs({option: [path] for option, path in files.items() if path}):
        return run_suite(arguments) if arguments.suite == TURNBENCH else _evaluate(arguments)


def _refuse_other_options(arguments: argparse.Namespace) -> None:
    """See that no option was given which only the other suite reads; ValueError names it."""
    others = ONLY_TURNBENCH
    if arguments.suite == TURNBENCH:
        others = set(arguments.defaults) - ONLY_TURNBENCH - SHARED
    elif arguments.task is None:
        raise ValueError(f"--task is needed; choose one of {', '.join(TASKS)}")
    for name in sorted(others):
        if getattr(arguments, name) != arguments.defaults[name]:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is nothing that --suite {arguments.suite} reads")


def _evaluate(arguments: argparse.Namespace) -> int:
    task, quirks = TASKS[arguments.task], Quirks.named(arguments.quirk)
    refuse_shared_paths(
        {"--human": arguments.human}, {"--json": [arguments.json] if arguments.json else []}
    )
    if arguments.timelines:
        check_folder("--timelines", arguments.timelines)
    if arguments.synthetic is not None:
        _synthesise(arguments, task)
    samples = read_samples(arguments.data, task)
    human = read_human_timing(arguments.human) if arguments.human else None
    if not arguments.score_only:
        _answer(arguments, task, samples)
    unheard = [sample for sample in samples if not sample.words.is_file()]
    _check_writable(unheard)
    if unheard:
        transcribe(tqdm(unheard, desc="words"), load_recogniser(arguments.recogniser))
    listen = speech_listener(quirks)
    judge = Judge(quirks, listen, found_human_timing(arguments.data) if human is None else human)
    scores = [judge.score(sample) for sample in tqdm(samples, desc="scores")]
    report = Report(task, {"data": arguments.data.resolve().name}, quirks, scores)
    print(report.table())
    if arguments.json:
        write_json(arguments.json, report.data())
    if arguments.timelines:
        for path in draw(worst(scores, arguments.worst), arguments.timelines, speech_listener()):
            print(f"wrote {path}")
    return 0


def measured_persona(arguments: argparse.Namespace, task: Task) -> Persona:
    """Return the persona asked for, else the one that the task is measured with."""
    if arguments.synthetic is not None or arguments.persona:
        return chosen_persona(arguments)
    persona = Persona("benchmark", task.prompt, VOICE)
    if arguments.text_prompt is not None:
        persona = replace(persona, text_prompt=arguments.text_prompt)
    if arguments.voice_prompt is not None:
        persona = replace(persona, voice=arguments.voice_prompt)
    return persona


def _check_writable(samples: list[Sample]) -> None:
    for sample in samples:
        check_folder("--data", sample.output.parent, (sample.output.name, sample.words.name))


def _synthesise(arguments: argparse.Namespace, task: Task) -> None:
    check_synthetic(arguments)
    from personaplex_ros.benchmark.synthetic import write_samples

    write_samples(arguments.data, task, arguments.synthetic, arguments.seed)


def _answer(arguments: argparse.Namespace, task: Task, samples: list[Sample]) -> None:
    """Run the model over the samples that have no output yet."""
    missing = list(samples) if arguments.overwrite else unanswered(samples)
    if len(missing) < len(samples):
        print(f"{len(samples) - len(missing)} of {len(samples)} outputs are there and kept")
    if not missing:
        return
    _check_writable(missing)
    engine = load_engine(arguments, arguments.slots)
    persona, sampling = measured_persona(arguments, task), chosen_sampling(arguments)
    model = Model(engine, persona, sampling, arguments.seed, arguments.slots)
    with tqdm(desc="outputs", total=len(missing)) as bar:
        run_model(model, missing, lambda done, _: bar.update(done - bar.n) and None)
