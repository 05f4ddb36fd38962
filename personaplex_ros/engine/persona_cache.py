"""Personas that were prepared lately, so that switching back to one costs no pass of the model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from personaplex_ros.checkpoint import TextTokenizer, find_voice, load_voice, voice_file
from personaplex_ros.engine.prepared import PreparedPersona, prepare
from personaplex_ros.lm import LanguageModel
from personaplex_ros.mimi import Mimi
from personaplex_ros.persona import Persona

KEPT = 8  # each takes 0.5 MB a frame of prompt in the published model

Key = tuple[str, tuple[str, int, int] | None]


class PersonaCache:
    """Prepares personas, and remembers the last ``KEPT`` by text and voice file.

    Any thread may call it.
    """

    def __init__(
        self,
        lm: LanguageModel,
        codec: Mimi,
        tokenizer: TextTokenizer,
        voice_folders: list[Path],
    ):
        self._lm, self._codec, self._tokenizer = lm, codec, tokenizer
        self._voice_folders = voice_folders
        self._lock = threading.Lock()
        self._prepared: OrderedDict[Key, PreparedPersona] = OrderedDict()

    def prepare(self, persona: Persona) -> PreparedPersona:
        """Return a persona's beginning; raises what loading its voice and ``prepare`` raise."""
        found = find_voice(persona.voice, self._voice_folders) if persona.voice else None
        key = (persona.text_prompt, None if found is None else _identity(found))
        with self._lock:
            known = self._prepared.get(key)
            if known is not None:
                self._prepared.move_to_end(key)
                return replace(known, persona=persona)
        voice = load_voice(found, self._codec.config.sample_rate) if found else None
        prepared = prepare(persona, voice, self._lm, self._codec, self._tokenizer)
        with self._lock:
            self._prepared[key] = prepared
            while len(self._prepared) > KEPT:
                self._prepared.popitem(last=False)
        return prepared


def _identity(voice: str) -> tuple[str, int, int]:
    """Return what changes when a voice's file, or the archive that it is in, does."""
    file, _ = voice_file(voice)
    state = file.stat()
    return voice, state.st_mtime_ns, state.st_size
