"""A persona that was prepared lately costs nothing when it comes again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from reference import GREEDY, converse, talk

from personaplex_ros.engine import Engine, Persona, persona_cache
from personaplex_ros.engine.persona_cache import KEPT


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the text of every persona that goes through the model."""
    texts: list[str] = []
    prepare = persona_cache.prepare

    def counted(persona: Persona, *others: object) -> object:
        texts.append(persona.text_prompt)
        return prepare(persona, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(persona_cache, "prepare", counted)
    return texts


def write_voice(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(24_000)
    soundfile.write(path, 0.1 * noise * np.hanning(24_000), 24_000)


def test_the_same_text_and_voice_are_prepared_once(
    small_checkpoint: Path, prepared: list[str]
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    first = engine.prepare(Persona("one", "Be kind."))
    again = engine.prepare(Persona("two", "Be kind."))
    assert prepared == ["Be kind."]
    assert again.persona.name == "two" and again.state is first.state
    sessions = []
    for persona in (first, again):
        session = engine.open(persona, GREEDY)
        sessions.append(converse(session, talk(engine, 0.8)))
        session.close()
    assert sessions[0] == sessions[1]


def test_another_content_of_the_voice_file_is_another_persona(
    small_checkpoint: Path, prepared: list[str], tmp_path: Path
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    voice = tmp_path / "voice.wav"
    persona = Persona("x", "Be kind.", str(voice))
    write_voice(voice, 0)
    first = engine.prepare(persona)
    assert engine.prepare(persona).state is first.state
    write_voice(voice, 1)
    later = engine.prepare(persona)
    assert len(prepared) == 2
    assert not (later.state.caches[0].keys == first.state.caches[0].keys).all()


def test_the_persona_that_was_longest_unused_is_forgotten(
    small_checkpoint: Path, prepared: list[str]
) -> None:
    engine = Engine.load(small_checkpoint, device="cpu")
    texts = [f"Your name is Ann {'and Ben ' * number}." for number in range(KEPT + 1)]
    for text in texts[:KEPT]:
        engine.prepare(Persona("x", text))
    engine.prepare(Persona("x", texts[0]))
    engine.prepare(Persona("x", texts[KEPT]))  # the second has to go
    del prepared[:]
    engine.prepare(Persona("x", texts[0]))
    assert prepared == []
    engine.prepare(Persona("x", texts[1]))
    assert prepared == [texts[1]]
