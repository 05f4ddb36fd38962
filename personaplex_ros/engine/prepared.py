"""A persona taken through the model once, so that any number of conversations can begin from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from personaplex_ros.checkpoint import EmbeddedVoice, TextTokenizer, WaveVoice
from personaplex_ros.lm import LanguageModel, LMState
from personaplex_ros.lm.grid import UNSET, lay_out
from personaplex_ros.mimi import Mimi
from personaplex_ros.nn.state import leaves
from personaplex_ros.persona import Persona, tagged
from personaplex_ros.prompt import LARGEST_PROMPT, expect_room, prompt_frames

CHUNK = 125  # frames of a voice that are encoded at once; bounds the memory


@dataclass(frozen=True)
class PreparedPersona:
    """The language model's state after a persona's prompt, compact.

    ``left_out`` names symbols of the text prompt that have no words, as emoji.
    """

    persona: Persona
    state: LMState  # of one row, with room for the prompt only
    left_out: str = ""

    def start(self, state: LMState, row: int) -> None:
        """Copy this beginning into row ``row`` of a running state."""
        for leaf in leaves(self.state):
            if leaf.is_cuda:  # it was made on another stream, and must outlive the copy
                leaf.record_stream(torch.cuda.current_stream())
        for source, target in zip(self.state.caches, state.caches, strict=True):
            room = source.keys.shape[2]
            target.keys[row, :, :room] = source.keys[0]
            target.values[row, :, :room] = source.values[0]
        state.position[row] = self.state.position[0]
        state.columns[row] = self.state.columns[0]
        state.grid[row] = self.state.grid[0]
        if state.pinned is not None:
            state.pinned[row] = state.pins[row] = self._pinned(state)

    def _pinned(self, state: LMState) -> int:
        """Return how many columns may stay: all, unless too little of the ring were left."""
        columns = self.state.columns[0]
        return columns if columns <= LARGEST_PROMPT * state.caches[0].keys.shape[2] else 0


@torch.inference_mode()
def prepare(
    persona: Persona,
    voice: WaveVoice | EmbeddedVoice | None,
    lm: LanguageModel,
    codec: Mimi,
    tokenizer: TextTokenizer,
) -> PreparedPersona:
    """Take voice and text prompt through the temporal transformer in one parallel pass.

    Everything in a prompt is forced, so neither depth transformer nor sampling is needed. Raises
    ValueError for a voice made for another model, for a persona where the model takes none, and,
    before the model does any work, for a prompt with characters that the tokenizer does not know
    or one that leaves too little of the context.
    """
    config, device = lm.config, lm.text_emb.weight.device
    if not config.takes_persona:
        if persona.text_prompt or voice:
            raise ValueError(
                f"persona {persona.name!r}: this is a Moshi checkpoint, which takes neither a text "
                "prompt nor a voice; use a persona without them, or a PersonaPlex checkpoint"
            )
        return PreparedPersona(persona, lm.initial_state(1, 1))
    try:
        spelled = tokenizer.spell(persona.text_prompt)
        text = tokenizer.encode(tagged(spelled.text))
        expect_room(config, codec.config.frame_rate, _voice_frames(voice, codec), len(text))
    except ValueError as error:
        raise ValueError(f"persona {persona.name!r}: {error}") from error
    codes = encode_voice(voice, codec, config.codebooks) if isinstance(voice, WaveVoice) else None
    frames = prompt_frames(config, codec.config.frame_rate, codes, text).to(device)
    if isinstance(voice, EmbeddedVoice):
        embedded, columns = _after_embedded_voice(voice, frames, lm)
    else:
        columns = lay_out(frames, config)
        embedded = lm.embed(columns[:, : frames.shape[1] - 1].t()[None])
    state = lm.initial_state(1, embedded.shape[1])
    lm.prefill(state, embedded)
    width = state.grid.shape[2]
    # The first step reads the last column and returns the frame that ends in the next.
    first = min(embedded.shape[1], columns.shape[1] - 2 * max(config.delays))
    for column in range(max(first, 0), columns.shape[1]):
        state.grid[0, :, column % width] = columns[:, column]
    return PreparedPersona(persona, state, spelled.left_out)


def _voice_frames(voice: WaveVoice | EmbeddedVoice | None, codec: Mimi) -> int:
    """Return how many frames of a prompt a voice takes."""
    if isinstance(voice, EmbeddedVoice):
        return len(voice.embeddings) + 1
    return -(-len(voice.samples) // codec.config.frame_size) if voice else 0


def encode_voice(voice: WaveVoice, codec: Mimi, codebooks: int) -> Tensor:
    """Encode a voice as one stream, its last frame filled up with zeros: int64 [codebooks, F]."""
    size = codec.config.frame_size
    count = -(-len(voice.samples) // size)
    weight = next(codec.parameters())
    wave = weight.new_zeros(1, 1, count * size)
    wave[0, 0, : len(voice.samples)] = torch.from_numpy(voice.samples)
    state = codec.encoder_state(1)
    parts = [codec.encode(part, state, codebooks)[0] for part in wave.split(CHUNK * size, dim=-1)]
    return torch.cat(parts, dim=1)


def _after_embedded_voice(
    voice: EmbeddedVoice, frames: Tensor, lm: LanguageModel
) -> tuple[Tensor, Tensor]:
    """Continue an embedded voice of T columns with the frames that follow it.

    Returns the embeddings [1, T + ..., D] of all columns to read, and the columns after them.
    """
    config = lm.config
    width = max(config.delays) + 3  # of the published files
    expected = (config.rows, width)
    if tuple(voice.grid.shape) != expected or voice.embeddings.shape[1] != config.dim:
        raise ValueError(
            f"the voice was made for another model: width {voice.embeddings.shape[1]} and grid "
            f"{list(voice.grid.shape)}, this model has {config.dim} and {list(expected)}"
        )
    read = voice.embeddings.shape[0]
    count = read + 1 + frames.shape[1]  # frames supplied, the voice's T + 1 included
    columns = frames.new_full((config.rows, count + max(config.delays)), UNSET)
    for row, delay in enumerate(config.delays):
        for column in range(read, read + delay + 1):
            token = int(voice.grid[row, column % width])
            if not -1 <= token <= config.initial_tokens[row]:
                raise ValueError(
                    f"the voice was made for another model: id {token} in row {row}, where this "
                    f"model has ids up to {config.initial_tokens[row]}"
                )
            columns[row, column] = token
        columns[row, read + 1 + delay : count + delay] = frames[row]
    tail = lm.embed(columns[:, read : count - 1].t()[None])
    head = voice.embeddings.to(frames.device, tail.dtype)[None]
    return torch.cat([head, tail], dim=1), columns
