"""Making a recording: what a caller says, and what the microphone hears of it and of the room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.callers import Spoken, ask, random_intent
from personaplex_ros.training.conversations.recordings import FRAME_S, Take
from personaplex_ros.training.sound.augment import placed
from personaplex_ros.training.sound.microphone import Microphone, through_input
from personaplex_ros.training.sound.robot_echo import RobotEcho, robot_speech
from personaplex_ros.training.sound.sounds import SURROUNDINGS_S, moment, surroundings
from personaplex_ros.training.voices.speakers import Callers, random_caller
from personaplex_ros.training.voices.speech import RATE, Speaker, Speech
from personaplex_ros.training.voices.speech_bank import LEVEL, at_level
from personaplex_ros.training.world import World

QUESTIONS, INTERRUPTIONS, BACKCHANNELS = 22, 8, 5  # in a recording
# Of what is asked, more than in an examination: what cannot be known comes in many words, and what
# is short in many voices.
BEYOND_SHARE, COURTESY_SHARE = 0.1, 0.08
COURTESIES = ("greeting", "thanks", "goodbye")
STORY_CHANCE, STORY_PARTS = 0.35, 4
NOISES, SOFTER_DB = 10, (0, 20)  # that nobody should answer, against the caller
GAP_S = (0.9, 1.6)
# Of a recording, to be as easy as what the model learns first, which it is not to forget: one of
# the synthesiser's voices, with neither the robot's echo nor anything around.
EASY_CHANCE = 0.4
ROBOT_CHANCE, ROBOT_LEAD_S = 0.4, (0.6, 1.6)
INTO_ROBOT = ("interruption", "backchannel", "noise")
SURROUNDED_CHANCE, BELOW_DB = 0.3, (0, 25)  # music, people or a television, against the caller
TAIL_FRAMES = 4  # after speech, until the codes are those of the room again


@dataclass(frozen=True)
class Clip:
    """A sound float32 [n] that begins somewhere, so much softer than a caller."""

    start_s: float
    samples: NDArray[np.float32]
    softer_db: float

    @property
    def gain(self) -> np.float32:
        """Against a caller."""
        return np.float32(10 ** (-self.softer_db / 20))


def record(
    world: World, rng: np.random.Generator, callers: Callers | None = None
) -> tuple[NDArray[np.float32], tuple[Take, ...]]:
    """Let a random caller speak: float32 [n] at 24 kHz, whole frames, and what is said when."""
    easy, others = rng.random() < EASY_CHANCE, callers or Callers()
    voice = random_caller(rng) if easy else others.draw(rng)
    robot = RobotEcho.draw(rng) if not easy and rng.random() < ROBOT_CHANCE else None
    texts = world.agent_texts(rng, 1) if robot else []
    takes, clips, played = [], [], []
    now = float(rng.uniform(1.0, 1.5))
    for part in _speeches(world, voice, others, rng):
        if robot and part.kind in INTO_ROBOT:
            # It speaks alone at first, as it does when somebody breaks in.
            lead_s = float(rng.uniform(*ROBOT_LEAD_S))
            said = robot_speech(texts, lead_s + part.speech.duration_s, rng)
            played.append((now, said))
            now += lead_s
        take = _place(part, now)
        takes.append(take)
        softer_db = float(rng.uniform(*SOFTER_DB)) if part.kind == "noise" else 0.0
        clips.append(Clip(now, part.speech.samples, softer_db))
        now = (take.first + take.frames) * FRAME_S + float(rng.uniform(*GAP_S))
        if played:
            now = max(now, played[-1][0] + len(played[-1][1]) / RATE)
    count = round(math.ceil(now / FRAME_S) * FRAME_S * RATE)
    around = others if not easy and rng.random() < SURROUNDED_CHANCE else None
    heard = _heard(world, clips, count, around, rng)
    if robot:
        heard = robot.heard(heard, placed(played, count))
    return np.clip(heard, -1, 1) if easy else through_input(heard, rng), tuple(takes)


def _heard(
    world: World,
    clips: Sequence[Clip],
    count: int,
    around: Callers | None,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return what a random microphone hears of clips in ``count`` samples.

    With those who are ``around`` there are music, people or a television all the time.
    """
    microphone = Microphone.draw(rng)
    wave = microphone.noise(count, rng)
    if around is not None:
        # Again and again: many people at a time take long to make.
        sound = at_level(surroundings(world.elsewhere, SURROUNDINGS_S, around, rng))
        sound = np.resize(sound, count)
        below = 10 ** (-float(rng.uniform(*BELOW_DB)) / 20)
        wave += microphone.level * below * sound / LEVEL
    heard = [(one.start_s, one.gain * microphone.hear(one.samples)) for one in clips]
    return wave + placed(heard, count)


def _speeches(
    world: World, voice: Speaker, others: Callers, rng: np.random.Generator
) -> list[Spoken]:
    """Draw what is said by a voice, and by others to each other, in random order.

    Raises ValueError for a voice that can ask for nothing that is trained on.
    """
    able = {name for name, one in world.intents.items() if any(map(voice.knows, one.wordings))}
    if not able:
        raise ValueError(f"{voice} knows no wording of any question")
    said = [
        _asked(world, voice, kind, able, rng)
        for kind, count in (("question", QUESTIONS), ("interruption", INTERRUPTIONS))
        for _ in range(count)
    ]
    texts = [("backchannel", pick(world.user_backchannels, rng)) for _ in range(BACKCHANNELS)]
    if rng.random() < STORY_CHANCE:
        texts += _story(world, voice, rng)
    said += [Spoken(kind, "", text, voice.say(text)) for kind, text in texts]
    for _ in range(NOISES):
        sound = at_level(moment(world.elsewhere, others, rng))
        said.append(Spoken("noise", "", "", Speech(sound, (), ())))
    return [said[number] for number in rng.permutation(len(said))]


def _asked(
    world: World, voice: Speaker, kind: str, able: set[str], rng: np.random.Generator
) -> Spoken:
    """Let a voice ask for something that it is able to ask for."""
    while (intent := _wanted(world, rng)) not in able:
        pass
    return ask(world, voice, intent, kind, rng)


def _wanted(world: World, rng: np.random.Generator) -> str:
    """Draw what is asked for: what comes in many sounds more often than in an examination."""
    chance = rng.random()
    if chance < BEYOND_SHARE:
        return "fallback"
    return pick(COURTESIES, rng) if chance > 1 - COURTESY_SHARE else random_intent(world, rng)


def _story(world: World, voice: Speaker, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Draw a story as (kind, text), of what a voice can say; empty where that is too little."""
    known = {
        key: [text for text in world.stories[key] if voice.knows(text)]
        for key in ("opening", "parts", "closing")
    }
    if not all(known.values()):
        return []
    parts = rng.permutation(known["parts"])[:STORY_PARTS]
    ends = [(kind, pick(known[kind], rng)) for kind in ("opening", "closing")]
    return [*(("part", str(text)) for text in parts), *ends]


def _place(spoken: Spoken, start_s: float) -> Take:
    first = math.floor(start_s / FRAME_S)
    offset = start_s - first * FRAME_S
    end_s = offset + spoken.speech.duration_s
    words = tuple(word.later(offset) for word in spoken.speech.words)
    pauses = tuple((offset + a, offset + b) for a, b in spoken.pauses)
    frames = math.ceil(end_s / FRAME_S) + TAIL_FRAMES
    return Take(
        spoken.kind, spoken.intent, spoken.text, first, frames, offset, end_s, words, pauses
    )
