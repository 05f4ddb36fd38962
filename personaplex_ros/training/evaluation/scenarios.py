"""What callers of the evaluation want to say: nothing in it was trained on.

Their voices, their wordings and the personas' combinations are kept from training. When something
is said is decided in the conversation, see ``caller``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.callers import ask, random_intent
from personaplex_ros.training.sound.microphone import Microphone
from personaplex_ros.training.voices.speakers import AGENTS, random_caller
from personaplex_ros.training.voices.speech import RATE, Voice, speak
from personaplex_ros.training.world import Facts, World, fill

DIALOGUE_S = 60.0  # at most; most last half as long
SILENCE_S = 60.0
EXCHANGES = ("plain", "plain", "plain", "interruption", "backchannel")  # of a dialogue, shuffled
GAP_S = (0.5, 2.5)  # from the robot's end to the caller's next words
TALK_S = (0.4, 1.2)  # the robot has been talking when the caller speaks into its answer
STORY_PARTS, STORY_PAUSE_S = 3, (0.7, 1.1)  # between opening and closing; after each
LEFT_S = 1.1  # of an answer, at least, when the caller is about to speak into it


@dataclass(frozen=True, eq=False)
class Utterance:
    """Something a caller says.

    ``kind`` is "question", "interruption" or "backchannel". ``delay_s`` is how long the robot has
    been silent when a question begins, or has been talking when something else does. ``samples``
    float32 [n] at 24 kHz are what the microphone gets, the room's tail included; ``duration_s`` is
    the speech's length, ``pauses`` are (start, end) within it.
    """

    kind: str
    text: str
    intent: str
    delay_s: float
    samples: NDArray[np.float32]
    duration_s: float
    pauses: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """A conversation to be held.

    ``noise`` float32 [n] at 24 kHz is what the microphone hears besides, and lasts as long as the
    conversation may. A plan without utterances is a time of silence.
    """

    facts: Facts
    prompt: str
    voice: str
    caller: str
    utterances: tuple[Utterance, ...]
    noise: NDArray[np.float32]


def plan_dialogue(
    world: World, seed: tuple[int, ...], exchanges: Sequence[str] = EXCHANGES
) -> Plan:
    """Plan a dialogue of these exchanges in any order.

    Usually they are one interruption, one backchannel, and three plain questions.
    """
    rng = np.random.default_rng(seed)
    cast = _Cast.draw(world, rng)
    microphone = Microphone.draw(rng)
    utterances: list[Utterance] = []
    for exchange in rng.permutation(exchanges):
        utterances += _exchange(cast, str(exchange), microphone, bool(utterances))
    noise = microphone.noise(round(DIALOGUE_S * RATE), rng)
    return _plan(cast, tuple(utterances), noise)


def plan_silence(world: World, seed: tuple[int, ...], *, noisy: bool) -> Plan:
    """Plan a minute in which nobody speaks: digital silence, or a microphone's noise."""
    rng = np.random.default_rng(seed)
    cast = _Cast.draw(world, rng)
    count = round(SILENCE_S * RATE)
    noise = Microphone.draw(rng).noise(count, rng) if noisy else np.zeros(count, np.float32)
    return _plan(cast, (), noise)


def plan_story(world: World, seed: tuple[int, ...]) -> Plan:
    """Plan a story, as one long utterance: told in parts, with a pause after each but the last."""
    rng = np.random.default_rng(seed)
    cast, stories = _Cast.draw(world, rng), world.stories
    parts = rng.permutation(len(stories["parts"]))[:STORY_PARTS]
    lines = [pick(stories["opening"], rng), *(stories["parts"][number] for number in parts)]
    lengths_s = [float(rng.uniform(*STORY_PAUSE_S)) for _ in lines]
    lines.append(pick(stories["closing"], rng))
    samples, pauses = with_pauses([speak(line, cast.caller).samples for line in lines], lengths_s)
    microphone = Microphone.draw(rng)
    story = Utterance(
        "question", " ".join(lines), "story", float(rng.uniform(*GAP_S)),
        microphone.hear(samples), len(samples) / RATE, pauses,
    )  # fmt: skip
    return _plan(cast, (story,), microphone.noise(round(DIALOGUE_S * RATE), rng))


def with_pauses(
    parts: Sequence[NDArray[np.float32]], lengths_s: Sequence[float]
) -> tuple[NDArray[np.float32], tuple[tuple[float, float], ...]]:
    """Return parts float32 [n] as one, pauses of these lengths between, and (start, end) of each.

    There is a pause fewer than there are parts.
    """
    joined, pauses = [parts[0]], []
    for part, length_s in zip(parts[1:], lengths_s, strict=True):
        begin_s = sum(map(len, joined)) / RATE
        joined.append(np.zeros(round(length_s * RATE), np.float32))
        pauses.append((begin_s, sum(map(len, joined)) / RATE))
        joined.append(part)
    return np.concatenate(joined), tuple(pauses)


@dataclass(frozen=True)
class _Cast:
    """Who talks: a persona with its voice, and a caller."""

    world: World
    rng: np.random.Generator
    facts: Facts
    voice: str
    caller: Voice

    @staticmethod
    def draw(world: World, rng: np.random.Generator) -> _Cast:
        facts = world.random_facts(rng, unseen=True)
        voice = pick(list(AGENTS), rng)
        return _Cast(world, rng, facts, voice, random_caller(rng, held_out=True))

    def intent(self, *, repeatable: bool = True) -> str:
        """Draw what the caller wants; ``repeatable`` if there is something to be repeated."""
        while True:
            intent = random_intent(self.world, self.rng)
            if repeatable or intent != "repeat":
                return intent


def _plan(cast: _Cast, utterances: tuple[Utterance, ...], noise: NDArray[np.float32]) -> Plan:
    prompt = cast.world.prompt(cast.facts, cast.rng)
    return Plan(cast.facts, prompt, cast.voice, cast.caller.name, utterances, noise)


def _exchange(cast: _Cast, kind: str, microphone: Microphone, later: bool) -> list[Utterance]:
    """Plan an exchange, ``later`` than another or not."""
    rng = cast.rng
    if kind == "plain":
        return [_ask(cast, "question", cast.intent(repeatable=later), microphone)]
    talk_s = float(rng.uniform(*TALK_S))
    intent = _long_answer(cast, talk_s + LEFT_S)
    asked = _ask(cast, "question", intent, microphone)
    if kind == "backchannel":
        text = pick(cast.world.user_backchannels, rng)
        speech = speak(text, cast.caller)
        heard = microphone.hear(speech.samples)
        return [asked, Utterance(kind, text, "", talk_s, heard, speech.duration_s, ())]
    other = cast.intent()
    while other == intent:
        other = cast.intent()
    return [asked, _ask(cast, "interruption", other, microphone, talk_s)]


def _ask(
    cast: _Cast, kind: str, intent: str, microphone: Microphone, delay_s: float | None = None
) -> Utterance:
    """Word a question; an interruption always with "wait" or the like."""
    spoken = ask(cast.world, cast.caller, intent, kind, cast.rng, held_out=True)
    while kind == "interruption" and not spoken.text.startswith(cast.world.breaks):
        spoken = ask(cast.world, cast.caller, intent, kind, cast.rng, held_out=True)
    if delay_s is None:
        delay_s = float(cast.rng.uniform(*GAP_S))
    heard = microphone.hear(spoken.speech.samples)
    return Utterance(
        kind, spoken.text, intent, delay_s, heard, spoken.speech.duration_s, spoken.pauses
    )


def _long_answer(cast: _Cast, least_s: float) -> str:
    """Draw something whose right answer takes so long."""
    while True:
        intent = cast.intent(repeatable=False)  # which takes as long as the answer before
        answers = cast.world.intents[intent].answers
        texts = [fill(answer, cast.facts, "") for answer in answers]
        if min(speak(text, AGENTS[cast.voice]).duration_s for text in texts) >= least_s:
            return intent
