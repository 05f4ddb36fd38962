"""A conversation as JSON, to look at what went wrong in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from personaplex_ros.timeline import words_from_pieces
from personaplex_ros.training.evaluation.converse import Dialogue
from personaplex_ros.training.evaluation.fidelity import Heard
from personaplex_ros.training.evaluation.judge import Verdict
from personaplex_ros.training.evaluation.sound import spans


def transcript(
    dialogue: Dialogue, verdicts: Sequence[Verdict], heard: Sequence[Heard], nearest: str | None
) -> dict[str, Any]:
    """Return who said what when, and how it was judged; times in seconds, the robot's as heard.

    ``nearest`` is the voice that the robot's is nearest to.
    """
    plan = dialogue.plan
    return {
        "number": dialogue.number,
        "duration_s": round(dialogue.duration_s, 2),
        "persona": asdict(plan.facts),
        "prompt": plan.prompt,
        "voice": plan.voice,
        "voice_prompt": dialogue.voice_prompt,
        "nearest_voice": nearest,
        "caller": plan.caller,
        "user": [
            {
                "kind": said.utterance.kind,
                "text": said.utterance.text,
                "intent": said.utterance.intent,
                "start_s": round(said.start_s, 3),
                "end_s": round(said.end_s, 3),
                "pauses": [[round(a, 3), round(b, 3)] for a, b in said.pauses],
            }
            for said in dialogue.said
        ],
        "unsaid": dialogue.unsaid,
        "robot": [
            {"text": word.text, "start_s": round(word.start_s, 2)}
            for word in words_from_pieces(dialogue.pieces)
        ],
        "robot_sound": [[round(a, 2), round(b, 2)] for a, b in spans(dialogue.sound)],
        "heard": [asdict(one) for one in heard],
        "verdicts": [
            {**asdict(v), "at_s": round(v.at_s, 3), "value": round(float(v.value), 3)}
            for v in verdicts
        ],
    }
