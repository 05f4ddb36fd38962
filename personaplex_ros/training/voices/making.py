"""Letting natural voices say what callers say: once, in parallel, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personaplex_ros.children import worker_pool
from personaplex_ros.training.voices.alignment import align
from personaplex_ros.training.voices.fetching import fetch_kokoro
from personaplex_ros.training.voices.recorded import Recorder, trimmed
from personaplex_ros.training.voices.synthesizers import (
    Hibari,
    Kokoro,
    Say,
    festival,
    flite,
    rhvoice,
)
from personaplex_ros.training.world import World, load_world

FLITE = ("rms", "awb", "kal16")
FESTIVAL = ("ked_diphone",)
RHVOICE = ("alan", "bdl", "clb")  # free ones; slt is for examinations, others' licences forbid it
HELD_OUT = ("af_bella", "af_sarah", "am_michael", "am_puck", "bf_emma", "bm_george")  # of Kokoro
WORDINGS = 3  # of each intent, that a voice of Kokoro says: it is no faster than speech
BEYOND, ELSEWHERE = 18, 24  # likewise of what the robot does not know, and of what is not for it
SPEEDS = (0.88, 1.15)


@dataclass(frozen=True)
class Task:
    """A voice that is to be recorded; ``whole`` says all wordings, others a few of each intent."""

    name: str
    say: Say
    whole: bool
    number: int


def record_voices(folder: Path, materials: Path, processes: int) -> Iterator[str]:
    """Record every voice that can be had into a folder each; yields their names as they are done.

    Kokoro is fetched into ``materials`` (RuntimeError where that fails); flite, festival and
    RHVoice are used where they are installed. What was recorded before is not said again.
    """
    fetch_kokoro(materials)
    kinds: list[tuple[str, Say, bool]] = [("hibari", Hibari(), True)]
    programs = {f"flite_{voice}": flite(voice) for voice in FLITE}
    programs |= {f"festival_{voice}": festival(voice) for voice in FESTIVAL}
    programs |= {f"rhvoice_{voice}": rhvoice(voice) for voice in RHVOICE}
    kinds += [(name, say, True) for name, say in programs.items() if _is_installed(say)]
    kinds += [(one.voice, one, False) for one in kokoro_voices(materials)]
    tasks = [(folder, Task(*kind, number)) for number, kind in enumerate(kinds)]
    with worker_pool(processes) as pool:
        yield from pool.imap_unordered(_record, tasks)


def kokoro_voices(folder: Path) -> list[Kokoro]:
    """Return the voices in a folder by `fetch_kokoro`, but those that are kept for examinations."""
    names = sorted(path.stem for path in folder.glob("*.bin"))
    return [Kokoro(folder, name) for name in names if name not in HELD_OUT]


def sayings(world: World, number: int, *, whole: bool) -> list[str]:
    """Return what the voice of a number says: the short things first, then questions."""
    rng = np.random.default_rng((13, number))
    texts = [*world.openers, *world.breaks, *world.user_backchannels]
    for key in ("opening", "parts", "closing"):
        texts += world.stories[key]
    count = max(len(one.wordings) for one in world.intents.values()) if whole else WORDINGS
    chosen = [rng.permutation(one.wordings)[:count] for one in world.intents.values()]
    others = ((world.intents["fallback"].wordings, BEYOND), (world.elsewhere, ELSEWHERE))
    chosen += [rng.permutation(said)[: None if whole else some] for said, some in others]
    return texts + list(dict.fromkeys(str(text) for some in chosen for text in some))


def keep(recorder: Recorder, text: str, say: Say, speed: float) -> None:
    """Let a voice say a text and keep it, unless it was said before."""
    if not recorder.has(text):
        samples = trimmed(say(text, speed))
        recorder.add(text, samples, align(text, samples))


def _is_installed(say: Say) -> bool:
    try:
        return bool(len(say("Hello.", 1.0)))
    except (OSError, RuntimeError):
        return False


def _record(job: tuple[Path, Task]) -> str:
    folder, task = job
    recorder = Recorder(folder / task.name)
    for index, text in enumerate(sayings(load_world(), task.number, whole=task.whole)):
        rng = np.random.default_rng((14, task.number, index))
        keep(recorder, text, task.say, float(rng.uniform(*SPEEDS)))
    return task.name
