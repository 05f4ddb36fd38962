"""Write the small random checkpoint that stands in for ``nano`` until that is trained.

usage: python scripts/make_random_nano.py OUT_DIR

It has the public file layout at small sizes. Its weights are random, so what it says is noise and
its words mean nothing. A few weights are set by hand so that a conversation with it still has the
shape of one, and all that happens around the model can be tried:

- two channels of the temporal stream are kept free of the layers' output: one is constant, one
  holds whether the last text token was PAD and whether the user's codes sound like speech;
  together they make the next token PAD or not, so it talks in bursts (of words and EPAD) and
  listens when spoken to;
- one channel of the depth stream holds whether the text is PAD, and makes the codes quiet ones,
  whose centroids are zero.

What the user's codes sound like is estimated from config/demo/caller.wav.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from personaplex_ros.audio.wave import read_wave  # noqa: E402
from personaplex_ros.checkpoint import load_codec  # noqa: E402
from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER  # noqa: E402
from personaplex_ros.lm import LanguageModel, LMConfig  # noqa: E402
from personaplex_ros.mimi import Mimi, MimiConfig  # noqa: E402

QUIET = 8  # codes of each codebook that sound silent
CODES = 256
PIECES = 400
VOICES = ("NATF0", "NATF2", "NATM0", "NATM1")

CODEC = {
    "sample_rate": 24000,
    "frame_rate": 12.5,
    "seanet": {"n_filters": 4, "dimension": 64},
    "transformer": {"num_heads": 4, "num_layers": 2, "dim_feedforward": 128, "context": 250},
    "quantizer": {"dimension": 32, "n_q": 8, "bins": CODES},
}
LM = LMConfig(
    dim=128, heads=4, layers=3, hidden=256, context=1500, text_cardinality=PIECES,
    cardinality=CODES, depth_steps=8, depth_dim=64, depth_heads=2, depth_layers=2, depth_hidden=128,
)  # fmt: skip

CORPUS = """
<system> You work for Nova Labs which is a robotics laboratory and your name is Maya. <system>
Information: The reception is open from nine to five. The meeting room is on the second floor.
Visitors sign in at the desk. The cafeteria is behind the lifts.
<system> You are a wise and friendly teacher. Answer questions or provide advice in a clear and
engaging way. <system> You enjoy having a good conversation. <system>
Hello and welcome, how can I help you today? Good morning, are you here for a meeting?
The stairs are on the left, the lifts are straight ahead and the exit is behind you.
We close at five o'clock, but the laboratory stays open until half past six.
Would you like me to call someone for you? Please take a seat, it will only be a minute.
I am sorry, could you say that again? Of course, no problem at all. Thank you very much. Goodbye!
"""


def random_like(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """Return a random tensor whose scale keeps signals at their level."""
    if name.endswith(("cluster_usage", "_initialized")):
        values = np.ones(shape)
    elif name.endswith("alpha") or (".norm" in name and name.endswith("weight")):
        values = 1 + 0.1 * rng.standard_normal(shape)
    elif name.endswith("bias"):
        values = np.zeros(shape)
    elif "layer_scale" in name:
        values = np.full(shape, 0.001 if name.startswith("decoder") else 0.05)
    elif "emb" in name:
        values = 0.3 * rng.standard_normal(shape)
    else:
        fan_in = int(np.prod(shape[1:]))
        values = 1.4 * rng.standard_normal(shape) / np.sqrt(fan_in)
    return torch.from_numpy(values.astype(np.float32))


def codec_weights(rng: np.random.Generator) -> dict[str, Tensor]:
    """Return random codec weights with ``QUIET`` codes a codebook that decode to silence."""
    codec = Mimi(MimiConfig.from_json(CODEC), device="meta")
    weights = {
        name: random_like(name, tuple(tensor.shape), rng)
        for name, tensor in sorted(codec.state_dict().items())
    }
    for name, tensor in weights.items():
        if name.endswith("embedding_sum"):
            tensor[:QUIET] = 0
    weights["decoder.model.14.conv.conv.weight"] *= 0.04
    return weights


def hear(codec: Mimi, samples: np.ndarray) -> np.ndarray:
    """Return the codes [codebooks, F] of a waveform float32 [n]."""
    size = codec.config.frame_size
    wave = torch.from_numpy(samples[: len(samples) // size * size])[None, None]
    with torch.inference_mode():
        return codec.encode(wave, codec.encoder_state(1), LM.codebooks)[0].numpy()


def speech_evidence(codec: Mimi) -> np.ndarray:
    """Return the log odds [codebooks, CODES] that a frame with this code is speech."""
    wave = read_wave(ROOT / "config" / "demo" / "caller.wav")
    truth = json.loads((ROOT / "config" / "demo" / "caller.json").read_text())
    codes = hear(codec, wave.samples[:, 0])
    middle = (np.arange(codes.shape[1]) + 0.5) / codec.config.frame_rate
    spoken = np.zeros(len(middle), bool)
    for turn in truth:
        spoken |= (middle > turn["start_s"]) & (middle < turn["end_s"])
    evidence = np.zeros((LM.codebooks, CODES), np.float32)
    for row in range(LM.codebooks):
        counts = [np.bincount(codes[row, spoken == side], minlength=CODES) for side in (1, 0)]
        rates = [(count + 0.5) / (count.sum() + 0.5 * CODES) for count in counts]
        evidence[row] = np.log(rates[0] / rates[1])
    return evidence


def lm_weights(rng: np.random.Generator, evidence: np.ndarray) -> dict[str, Tensor]:
    """Return random language model weights with the hand-set channels of the module's text."""
    model = LanguageModel(LM, device="meta")
    weights = {
        name: random_like(name, tuple(tensor.shape), rng)
        for name, tensor in sorted(model.state_dict().items())
    }
    constant, mood = 0, 1
    pad, end_pad = LM.text_padding, LM.text_end_padding
    for name, tensor in weights.items():
        if name.startswith("transformer.") and name.endswith(("out_proj.weight", "out.weight")):
            tensor[[constant, mood]] = 0
        if name.startswith("emb."):
            tensor[:, [constant, mood]] = 0
        if name.startswith("depformer.") and name.endswith("linear_out.weight"):
            tensor[0] = 0
        if name.startswith("depformer.") and name.endswith("out_proj.weight"):
            tensor[:: LM.depth_dim] = 0
        if name.startswith("depformer_in."):
            tensor[0] = 0
    text = weights["text_emb.weight"]
    text[:, constant], text[:, mood] = 2.0, -1.2
    text[pad, mood] = 1.2
    for row in range(LM.codebooks):
        user = weights[f"emb.{LM.codebooks + row}.weight"]
        user[:CODES, mood] = torch.from_numpy(evidence[row]) * 0.25
    head = weights["text_linear.weight"]
    head *= 0.6
    head[:, [constant, mood]] = 0
    head[pad, constant], head[pad, mood] = 3.9, 3.0
    head[end_pad, constant] = 5.0

    loud = 3.0
    weights["depformer_text_emb.weight"][:, 0] = -loud
    weights["depformer_text_emb.weight"][pad, 0] = loud
    for step in range(LM.depth_steps):
        linear = weights[f"linears.{step}.weight"]
        linear[:, 0] = -loud
        linear[:QUIET, 0] = loud
        if step:
            table = weights[f"depformer_emb.{step - 1}.weight"]
            table[:, 0] = -loud
            table[:QUIET, 0] = loud
    return weights


def train_tokenizer(path: Path) -> None:
    """Train a small SentencePiece model with the published special ids."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.strip().splitlines()), model_writer=path.open("wb"),
        vocab_size=PIECES, model_type="bpe", unk_id=0, bos_id=1, eos_id=2, pad_id=3,
        character_coverage=1.0, hard_vocab_limit=True, minloglevel=2,
    )  # fmt: skip


def voice(weights: dict[str, Tensor], rng: np.random.Generator, frames: int = 20) -> dict:
    """Return a random voice in the published form: embeddings and the grid's last columns."""
    rows = torch.full((LM.rows, frames), LM.text_padding)
    codes = rng.integers(QUIET, CODES, (LM.codebooks, frames))
    rows[1 : 1 + LM.codebooks] = torch.from_numpy(codes)
    rows[1 + LM.codebooks :] = torch.tensor(LM.sine_codes)[:, None] % CODES
    tables = [weights["text_emb.weight"]]
    tables += [weights[f"emb.{row}.weight"] for row in range(LM.audio_rows)]
    embedded = sum(table[line[:-1]] for table, line in zip(tables, rows, strict=True))
    grid = torch.stack([rows[:, -1]] * 4, dim=1)
    return {"embeddings": embedded[:, None, None], "cache": grid[None]}


def main() -> None:
    """Write the checkpoint into the folder given on the command line."""
    out = Path(sys.argv[1])
    (out / "voices").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2026)
    half = {name: tensor.half() for name, tensor in codec_weights(rng).items()}
    save_file(half, out / MIMI)
    (out / "mimi_config.json").write_text(json.dumps(CODEC, indent=1) + "\n")
    codec = load_codec(out / MIMI, MimiConfig.from_json(CODEC), "cpu")
    sine = np.sin(2 * np.pi * 440 * np.arange(48000) / 24000).astype(np.float32) * 0.5
    weights = lm_weights(rng, speech_evidence(codec))
    save_file({name: t.bfloat16() for name, t in weights.items()}, out / MODEL)
    config = {
        "model_type": "personaplex", "dim": LM.dim, "text_card": PIECES, "n_q": 16, "dep_q": 8,
        "card": CODES, "num_heads": LM.heads, "num_layers": LM.layers, "context": LM.context,
        "depformer_dim": LM.depth_dim, "depformer_num_heads": LM.depth_heads,
        "depformer_num_layers": LM.depth_layers, "delays": list(LM.delays),
        "silence_codes": [0] * LM.codebooks, "sine_codes": hear(codec, sine)[:, -1].tolist(),
        "moshi_name": MODEL, "mimi_name": MIMI, "mimi_config_name": "mimi_config.json",
        "tokenizer_name": TOKENIZER,
    }  # fmt: skip
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    train_tokenizer(out / TOKENIZER)
    for name in VOICES:
        torch.save(voice(weights, rng), out / "voices" / f"{name}.pt")


if __name__ == "__main__":
    main()
