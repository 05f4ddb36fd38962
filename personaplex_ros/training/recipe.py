"""What a training is made of: sizes, amounts and schedules, read from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig
from personaplex_ros.resources import share_directory
from personaplex_ros.training.hearing.encoder import HearingTraining
from personaplex_ros.training.learning.blending import check_share
from personaplex_ros.training.learning.codec import CodecTraining
from personaplex_ros.training.learning.language import LanguageTraining
from personaplex_ros.training.learning.loop import Schedule

T = TypeVar("T")


@dataclass(frozen=True)
class Amounts:
    """How much is synthesised."""

    codec_hours: float  # of single sentences, for the codec
    prompts: int  # of each voice of the robot
    shards: int
    recordings: int  # of callers, a shard; each lasts about two minutes
    seconds: float  # of a conversation, about
    pieces: int  # of the text tokenizer
    natural: bool = False  # whether callers have natural voices, too
    utterances: int = 0  # files of sentences, for the encoder to learn these
    surroundings: int = 0  # half minutes of what may go on around them


@dataclass(frozen=True)
class Examination:
    """How thoroughly the finished checkpoint is examined."""

    dialogues: int
    slots: int  # dialogues that are held at a time


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out, but for the machine."""

    corpus: Amounts
    codec: MimiConfig
    codec_training: CodecTraining
    codec_schedule: Schedule
    decoder_schedule: Schedule
    language: LMConfig
    language_training: LanguageTraining
    understanding_schedule: Schedule
    hearing_training: HearingTraining
    hearing_schedule: Schedule
    reading_schedule: Schedule
    language_schedule: Schedule
    listening_schedule: Schedule
    evaluation: Examination
    start: str | None = None  # a checkpoint to go on with, by path or name
    spoken_with: str | None = None  # whose codec its language model speaks with, where not its own
    learnt: float = 1.0  # share in its language model's weights of what they then became
    surer: float = 1.0  # by how much it is surer of its text in the end than it has learnt to be


def load_recipe(recipe: str | Path) -> Recipe:
    """Read a recipe, given by path or by its name in config/training.

    It may be ``based_on`` another and then states only what differs.
    Raises FileNotFoundError or ValueError naming the file and the key that is wrong.
    """
    path = _find(recipe)
    content = _read(path)
    kinds: dict[str, Any] = {
        "corpus": Amounts, "codec_training": CodecTraining, "codec_schedule": Schedule,
        "decoder_schedule": Schedule, "language": LMConfig, "language_training": LanguageTraining,
        "understanding_schedule": Schedule, "hearing_training": HearingTraining,
        "hearing_schedule": Schedule, "reading_schedule": Schedule,
        "language_schedule": Schedule, "listening_schedule": Schedule, "evaluation": Examination,
    }  # fmt: skip
    missing = [name for name in (*kinds, "codec") if not isinstance(content.get(name), Mapping)]
    if missing:
        raise ValueError(f"{path} has no section {', '.join(missing)}")
    try:
        parts = {name: _build(kind, content[name], name) for name, kind in kinds.items()}
        codec = MimiConfig.from_json(content["codec"])
        learnt = float(content.get("learnt", 1.0))
        check_share(learnt)
        surer = float(content.get("surer", 1.0))
        if not surer >= 1:
            raise ValueError(f"surer is {surer}; it is a factor of 1 or more")
        begin: dict[str, Any] = {name: content.get(name) for name in ("start", "spoken_with")}
        return Recipe(codec=codec, learnt=learnt, surer=surer, **begin, **parts)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _find(recipe: str | Path) -> Path:
    path = Path(recipe).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        path = share_directory() / "config" / "training" / f"{recipe}.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"no training recipe {str(recipe)!r}: no file {path}")
    return path


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = content.pop("based_on", None)
    if base is None:
        return content
    whole = _read(_find(base))
    return whole | {
        name: whole.get(name, {}) | part if isinstance(part, Mapping) else part
        for name, part in content.items()
    }


def _build(kind: type[T], content: Mapping[str, Any], section: str) -> T:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    surplus = set(content) - known
    if surplus:
        raise ValueError(f"`{section}` knows no {', '.join(sorted(surplus))}")
    try:
        return kind(**content)
    except TypeError as error:  # a value that must be given is not
        raise ValueError(f"`{section}`: {error}") from error
