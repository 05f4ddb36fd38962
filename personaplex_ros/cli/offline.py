"""Answer a recording: a wave file in, the agent's speech and text out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from tqdm import tqdm

from personaplex_ros.audio import output_format, read_wave, resample, to_mono, write_wave
from personaplex_ros.cli.arguments.model import (
    add_model_arguments,
    chosen_persona,
    chosen_sampling,
    load_engine,
)
from personaplex_ros.cli.arguments.paths import outputs, refuse_shared_paths
from personaplex_ros.engine import Engine, Session, StepResult, StepTiming
from personaplex_ros.files import write_whole
from personaplex_ros.timeline import (
    Mark,
    Recording,
    Word,
    is_drawn,
    state_spans,
    timeline_files,
    words_from_pieces,
    write_timeline,
)
from personaplex_ros.turns import TurnMonitor, TurnUpdate, UserUtterance

NS = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--input-wav",
        required=True,
        metavar="FILE",
        help="the user's speech: any rate, mono or stereo",
    )
    parser.add_argument(
        "--output-wav",
        metavar="FILE",
        help="the agent's speech, as long as the input (.wav, .flac or .ogg)",
    )
    parser.add_argument(
        "--output-text",
        metavar="FILE",
        help="its text: a JSON list, one entry a frame, PAD or EPAD where silent",
    )
    parser.add_argument(
        "--timeline",
        metavar="FILE",
        help="draw the conversation (FILE.png) and a page that plays it (FILE.html)",
    )
    parser.add_argument(
        "--user-transcript",
        action="store_true",
        help="write down what the user says, too, if the checkpoint has a listening head",
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    files = {"--output-wav": [arguments.output_wav], "--output-text": [arguments.output_text]}
    if arguments.timeline:
        files["--timeline"] = list(timeline_files(arguments.timeline))
    given = {option: [path for path in paths if path] for option, paths in files.items()}
    _check_paths(arguments, given)
    with outputs(given):
        return _answer(arguments)


def _answer(arguments: argparse.Namespace) -> int:
    wave = read_wave(arguments.input_wav)
    if wave.remark:
        print(f"{arguments.input_wav}: {wave.remark}")
    persona, sampling = chosen_persona(arguments), chosen_sampling(arguments)
    started = time.perf_counter()
    engine = load_engine(arguments, listens=arguments.user_transcript)
    loaded = time.perf_counter()
    prepared = engine.prepare(persona)
    session = engine.open(prepared, sampling, arguments.seed)
    if prepared.left_out:
        print(f"the text prompt is read without {prepared.left_out}", file=sys.stderr)
    print(
        f"loaded in {loaded - started:.1f} s, persona {persona.name} prepared in "
        f"{time.perf_counter() - loaded:.2f} s, running on {engine.device}"
    )
    user = resample(to_mono(wave.samples), wave.rate, engine.sample_rate)
    frames = split_frames(user, engine.frame_size)
    results = _converse(session, frames, 1 / engine.frame_rate)
    agent = np.concatenate([result.audio for result in results])[: len(user)]
    if arguments.output_wav:
        write_wave(arguments.output_wav, agent, engine.sample_rate)
    if arguments.output_text:
        text = json.dumps([result.silent or result.piece for result in results], indent=0)
        write_whole(arguments.output_text, lambda path: path.write_text(text + "\n", "utf-8"))
    updates = []
    if arguments.timeline or arguments.user_transcript:
        updates = _follow_turns(engine, frames, results)
    if arguments.timeline:
        title = f"{persona.name} answers {Path(arguments.input_wav).name}"
        recording = _record(engine, user, agent, results, updates, title)
        for path in write_timeline(recording, arguments.timeline):
            print(f"wrote {path}")
    for said in _heard(updates):
        print(f"user, {said.start_ns / NS:.2f} to {said.end_ns / NS:.2f} s: {said.text}")
    print("text: " + "".join(result.piece for result in results).strip())
    print(timing_table([result.timing for result in results], 1 / engine.frame_rate))
    return 0


def split_frames(samples: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut samples [n] into frames of ``size``, the last filled up with zeros."""
    count = -(-len(samples) // size)
    padded = np.zeros(count * size, np.float32)
    padded[: len(samples)] = samples
    return list(padded.reshape(count, size))


def timing_table(timings: list[StepTiming], frame_s: float) -> str:
    """Return the time of a frame and the share of each part, as a small table."""
    values = np.array([astuple(timing) for timing in timings]) * 1e3
    whole = values[:, -1].mean()
    lines = [f"{'part':<10}{'mean':>12}{'p50':>12}{'p99':>12}{'share':>8}"]
    for field, column in zip(fields(StepTiming), values.T, strict=True):
        p50, p99 = np.percentile(column, [50, 99])
        cells = "".join(f"{value:>9.2f} ms" for value in (column.mean(), p50, p99))
        lines.append(f"{field.name:<10}{cells}{column.mean() / whole:>8.0%}")
    late = int((values[:, -1] > frame_s * 1e3).sum())
    lines.append(
        f"{len(timings)} frames of {frame_s * 1e3:.0f} ms, {frame_s * 1e3 / whole:.1f} times "
        f"real time, {late} frames over {frame_s * 1e3:.0f} ms"
    )
    return "\n".join(lines)


def _check_paths(arguments: argparse.Namespace, outputs: dict[str, list[str | Path]]) -> None:
    """See that the answer has a format, and that nothing is written over anything else."""
    names = ("input_wav", "moshi_weight", "mimi_weight", "tokenizer", "voice_prompt", "persona")
    if arguments.output_wav:
        output_format(arguments.output_wav)
    refuse_shared_paths(
        {f"--{name.replace('_', '-')}": getattr(arguments, name) for name in names}, outputs
    )


def _converse(session: Session, frames: list[np.ndarray], frame_s: float) -> list[StepResult]:
    """Push all frames, showing how far it is and how fast compared with real time."""
    results = []
    layout = "{l_bar}{bar}| {n} of {total} frames{postfix}"
    with tqdm(total=len(frames), bar_format=layout) as bar:
        started = time.perf_counter()
        for frame in frames:
            results.append(session.push(frame))
            speed = len(results) * frame_s / (time.perf_counter() - started)
            bar.set_postfix_str(f"{speed:.1f} x real time", refresh=False)
            bar.update()
    return results


def _follow_turns(
    engine: Engine, frames: list[np.ndarray], results: list[StepResult]
) -> list[TurnUpdate]:
    """Return what is decided with each frame of a finished conversation, and at its end."""
    monitor = TurnMonitor(engine.sample_rate, engine.frame_size)
    updates = []
    for index, (frame, result) in enumerate(zip(frames, results, strict=True)):
        stamp = index * engine.frame_size * NS // engine.sample_rate
        updates.append(monitor.push(frame, result.audio, result.piece, stamp, word=result.heard))
    return [*updates, monitor.end()]


def _heard(updates: list[TurnUpdate]) -> list[UserUtterance]:
    return [update.heard for update in updates if update.heard and update.heard.final]


def _record(
    engine: Engine,
    user: np.ndarray,
    agent: np.ndarray,
    results: list[StepResult],
    updates: list[TurnUpdate],
    title: str,
) -> Recording:
    """Put a finished conversation together for the picture."""
    frame_s = engine.frame_size / engine.sample_rate
    followed = updates[: len(results)]
    marks = [
        Mark(e.kind, e.onset_ns / NS, e.decided_ns / NS)
        for update in followed
        for e in update.events
        if is_drawn(e.kind, e.state, e.revises)
    ]
    hold = [(index * frame_s, update.hold) for index, update in enumerate(followed)]
    pieces = [(index * frame_s, result.piece) for index, result in enumerate(results)]
    return Recording(
        sample_rate=engine.sample_rate,
        user=user,
        agent=np.clip(agent, -1, 1),
        words=words_from_pieces(pieces),
        marks=tuple(marks),
        title=title,
        hold=state_spans(hold, len(results) * frame_s),
        heard=tuple(Word(s.text, s.start_ns / NS, s.end_ns / NS) for s in _heard(updates)),
    )
