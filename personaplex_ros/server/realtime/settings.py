"""The session of a client: what it set with `session.update`, and what of that can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from personaplex_ros.engine import Persona
from personaplex_ros.server.realtime.invalid import Invalid

MODEL = "personaplex"
FORMAT = {"type": "audio/pcm", "rate": 24_000}
TURN_DETECTION = {"type": "semantic_vad", "create_response": True, "interrupt_response": True}
DETECTORS = ("server_vad", "semantic_vad")
NOT_HERE = {
    "tools": "the model calls no tools",
    "prompt": "there are no stored prompts; set instructions",
}
"""Keys of a session that ask for what the model has no means for."""
INPUT_NOT_HERE = {
    "transcription": "what the person says is not written down",
    "noise_reduction": "nothing is filtered on the way in; do that where the microphone is",
}


@dataclass(frozen=True)
class Settings:
    """Who is spoken to, and whether the person's turns are told of (`turn_detection`)."""

    persona: Persona
    turn_detection: Mapping[str, Any] | None

    @staticmethod
    def begin(default: Persona) -> Settings:
        """Return those of a client that has set nothing."""
        return Settings(default, TURN_DETECTION)

    def described(self, session_id: str) -> dict[str, Any]:
        """Return the session as the protocol has it."""
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": MODEL,
            "output_modalities": ["audio"],
            "instructions": self.persona.text_prompt,
            "audio": {
                "input": {
                    "format": FORMAT,
                    "turn_detection": self.turn_detection,
                    "transcription": None,
                    "noise_reduction": None,
                },
                "output": {"format": FORMAT, "voice": self.persona.voice, "speed": 1.0},
            },
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
        }

    def updated(self, session: object, longest_prompt: int) -> Settings:
        """Return these with what an update sets; raises Invalid for what cannot be.

        What has no meaning here and does no harm (`tracing`, `truncation`, ...) is passed over.
        """
        wanted = mapping(session, "session")
        if wanted.get("type", "realtime") != "realtime":
            raise Invalid("only sessions of type realtime are served", "session.type")
        for key, why in NOT_HERE.items():
            if wanted.get(key):
                raise Invalid(why, f"session.{key}", "unsupported")
        if wanted.get("output_modalities", ["audio"]) != ["audio"]:
            raise Invalid(
                'the model always speaks: only ["audio"], which comes with its transcript',
                "session.output_modalities",
                "unsupported",
            )
        audio = mapping(wanted.get("audio"), "session.audio")
        heard = mapping(audio.get("input"), "session.audio.input")
        said = mapping(audio.get("output"), "session.audio.output")
        _check_audio(heard, said)
        persona = _persona(self.persona, wanted, said, longest_prompt)
        if "turn_detection" not in heard:
            return replace(self, persona=persona)
        return Settings(persona, _turn_detection(heard["turn_detection"]))


def mapping(value: object, name: str) -> Mapping[str, Any]:
    """Return an object of an event, empty where there is none; raises Invalid for another type."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid(f"{name} must be an object, not {type(value).__name__}", name)
    return value


def text(value: object, name: str) -> str:
    """Return a text of an event; raises Invalid for another type."""
    if not isinstance(value, str):
        raise Invalid(f"{name} must be a text, not {type(value).__name__}", name)
    return value


def _check_audio(heard: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    for part, name in ((heard, "session.audio.input"), (said, "session.audio.output")):
        wanted = mapping(part.get("format"), f"{name}.format")
        if any(value is not None and FORMAT.get(key) != value for key, value in wanted.items()):
            raise Invalid(
                f"only {FORMAT} is spoken here: 16-bit little-endian samples of one channel",
                f"{name}.format",
                "unsupported",
            )
    for key, why in INPUT_NOT_HERE.items():
        if heard.get(key):
            raise Invalid(why, f"session.audio.input.{key}", "unsupported")
    if said.get("speed") not in (None, 1, 1.0):
        raise Invalid(
            "speed cannot be changed: speech is made as time passes", "session.audio.output.speed",
            "unsupported",
        )  # fmt: skip


def _persona(
    old: Persona, wanted: Mapping[str, Any], said: Mapping[str, Any], longest_prompt: int
) -> Persona:
    prompt, voice = wanted.get("instructions"), said.get("voice")
    if isinstance(voice, Mapping):
        voice = voice.get("id")
    if prompt is None and voice is None:
        return old
    new = old if prompt is None else replace(old, text_prompt=text(prompt, "session.instructions"))
    if len(new.text_prompt) > longest_prompt:
        raise Invalid(
            f"instructions have {len(new.text_prompt)} characters; at most {longest_prompt} are "
            "taken",
            "session.instructions",
        )
    return new if voice is None else replace(new, voice=text(voice, "session.audio.output.voice"))


def _turn_detection(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    detection = mapping(value, "session.audio.input.turn_detection")
    if detection.get("type") not in DETECTORS:
        raise Invalid(
            f"type is one of {', '.join(DETECTORS)}", "session.audio.input.turn_detection.type"
        )
    return {**detection, "create_response": True, "interrupt_response": True}
