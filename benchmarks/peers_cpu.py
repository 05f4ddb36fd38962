"""Codec and language model on a CPU, ours beside moshi, transformers and rustymimi from PyPI.

usage: python benchmarks/peers_cpu.py [--threads 1 2] [--only codec|language] [--json FILE]

Random weights, the same for all; every frame goes through one after the other in turn, in one
process for each number of threads and each model. The codec has its full size; the language model
has 1.5 billion parameters. Needs requirements-test.txt and 16 GB of memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from personaplex_ros.checkpoint import load_codec
from personaplex_ros.engine import Sampling
from personaplex_ros.engine.packing import pack
from personaplex_ros.files import write_whole
from personaplex_ros.lm import LanguageModel, LMConfig, Sampler
from personaplex_ros.mimi import MimiConfig

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test"))

FRAME, CODEBOOKS = 1920, 8
CODEC_FRAMES = 60
STEPS = 12  # of the language model
WARM_UP = 3
PROMPT = 125 + 6 + 100 + 6  # columns of a voice of 10 s and a text prompt of 100 tokens
LM = LMConfig(
    dim=2048, heads=16, layers=16, hidden=5632, context=3000, depth_steps=CODEBOOKS, depth_dim=1024,
    depth_heads=16, depth_layers=6, depth_hidden=2816,
)  # fmt: skip

Row = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[os.cpu_count() or 1])
    parser.add_argument("--only", choices=("codec", "language"))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        torch.set_num_threads(arguments.threads[0])
        torch.set_flush_denormal(True)
        with torch.inference_mode():
            rows = {"codec": codec_rows, "language": language_rows}[arguments.only]()
        print(json.dumps(rows))
        return 0
    rows = []
    parts = [arguments.only] if arguments.only else ["codec", "language"]
    for threads, part in itertools.product(arguments.threads, parts):
        # Rust's threads, like OpenMP's, are fixed when a process begins.
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "NO_TORCH_COMPILE": "1"}
        command = [sys.executable, __file__, "--worker", "--threads", str(threads), "--only", part]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        results = json.loads(done.stdout.splitlines()[-1])
        rows += [{"threads": threads, **result} for result in results]
    print(f"{'threads':7} {'what':34} {'ours':>9} {'theirs':>9}  ratio")
    for found in rows:
        times = f"{found['ours_ms']:6.1f} ms {found['theirs_ms']:6.1f} ms"
        print(f"{found['threads']:7} {found['what']:34} {times}  {found['ratio']:.2f} x")
    if arguments.json:
        write_whole(arguments.json, lambda place: place.write_text(json.dumps(rows, indent=1)))
    return 0


def compare(what: str, ours: list[float], theirs: list[float]) -> Row:
    """Return the medians, without the first times, and how many times faster ours is."""
    return row(what, *(float(np.median(times[WARM_UP:])) for times in (ours, theirs)))


def row(what: str, ours_s: float, theirs_s: float) -> Row:
    """Return a row of the table."""
    ratio = theirs_s / ours_s
    return {"what": what, "ours_ms": 1000 * ours_s, "theirs_ms": 1000 * theirs_s, "ratio": ratio}


def in_turn(count: int, contenders: Mapping[Any, Callable[[int], Any]]) -> dict[Any, list[float]]:
    """Let each contender do step 0, then each step 1, ...; return their seconds."""
    times: dict[Any, list[float]] = {name: [] for name in contenders}
    for step in range(count):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run(step)
            times[name].append(time.perf_counter() - begun)
    return times


# --- codec ------------------------------------------------------------------------------------


def codec_rows() -> list[Row]:
    """Return encode + decode of a frame beside each peer, for speech and for silence."""
    from reference import random_codec, speech_like
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codec.safetensors"
        theirs = random_codec(MimiConfig(), seed=3)
        save_file(theirs.state_dict(), path)
        speech = speech_like(CODEC_FRAMES * FRAME / 24000)[: CODEC_FRAMES * FRAME]
        silence = np.zeros_like(speech)
        # Silence follows speech, as in a conversation: that is when numbers fade to denormals.
        silence[: 10 * FRAME] = speech[: 10 * FRAME]
        steps = {}
        for sound, samples in (("speech", speech), ("silence", silence)):
            frames = samples.reshape(-1, FRAME)
            for name, run in codec_contenders(path, theirs).items():
                steps[sound, name] = lambda step, run=run, frames=frames: run(frames[step])
        times = in_turn(CODEC_FRAMES, steps)
    rows = [
        compare(f"codec, {sound}: {name}", times[sound, "ours"], seconds)
        for (sound, name), seconds in times.items()
        if name != "ours"
    ]
    ours = [times[sound, "ours"][12:] for sound in ("silence", "speech")]
    return [*rows, compare("codec: our silence, our speech", *ours)]


def codec_contenders(path: Path, codec: nn.Module) -> dict[str, Callable[[np.ndarray], Any]]:
    """Return functions that encode and decode a frame [1920] of a stream of their own."""
    import rustymimi
    from oracles import moshi_mimi, transformers_mimi

    ours = load_codec(path, MimiConfig(), "cpu")
    pack(ours, "float32")
    hearing, speaking = ours.encoder_state(1), ours.decoder_state(1)
    moshi = moshi_mimi(codec, MimiConfig().context)
    moshi.set_num_codebooks(CODEBOOKS)
    moshi.streaming_forever(1)
    hugging = transformers_mimi(codec).eval()
    rust = rustymimi.Tokenizer(str(path), num_codebooks=CODEBOOKS)
    past: dict[str, Any] = {"encoder": None, "padding": None, "decoder": None}

    def by_transformers(frame: np.ndarray) -> None:
        heard = hugging.encode(
            _wave(frame), num_quantizers=CODEBOOKS, encoder_past_key_values=past["encoder"],
            padding_cache=past["padding"], use_streaming=True, return_dict=True,
        )  # fmt: skip
        past["encoder"], past["padding"] = heard.encoder_past_key_values, heard.padding_cache
        said = hugging.decode(
            heard.audio_codes, decoder_past_key_values=past["decoder"], return_dict=True
        )
        past["decoder"] = said.decoder_past_key_values

    return {
        "ours": lambda frame: ours.decode(ours.encode(_wave(frame), hearing, CODEBOOKS), speaking),
        "moshi": lambda frame: moshi.decode(moshi.encode(_wave(frame))),
        "transformers": by_transformers,
        "rustymimi": lambda frame: rust.decode_step(rust.encode_step(frame[None, None])),
    }


def _wave(frame: np.ndarray) -> Tensor:
    return torch.from_numpy(frame)[None, None]


# --- language model ---------------------------------------------------------------------------


def language_rows() -> list[Row]:
    """Return a step of the language model, and a prompt in one pass, beside moshi."""
    weights = random_weights()
    rows = []
    steps = {"ours": our_step(assigned(weights, torch.float32)), "moshi": moshi_step(weights)}
    times = in_turn(WARM_UP + STEPS, steps)
    rows.append(compare("step, float32", times["ours"], times["moshi"]))
    rows.append(prefill_row(assigned(weights, torch.float32)))
    del steps
    weights = {name: weights.pop(name).bfloat16() for name in list(weights)}
    contenders = {"moshi": moshi_step(weights)}
    for kind in ("float16", "int8"):
        model = assigned(weights, torch.bfloat16)
        pack(model, kind)
        contenders[kind] = our_step(model)
    times = in_turn(WARM_UP + STEPS, contenders)
    rows.append(compare("step, bfloat16 held as float16", times["float16"], times["moshi"]))
    rows.append(compare("step, int8 (theirs bfloat16)", times["int8"], times["moshi"]))
    return rows


def random_weights() -> dict[str, Tensor]:
    """Return normal weights, small enough that activations stay finite."""
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(1 << 24, generator=generator) * 0.02
    weights = {}
    for name, empty in LanguageModel(LM, "meta", torch.float32).state_dict().items():
        count = empty.numel()
        tiled = block.repeat(-(-count // len(block)))[:count].view(empty.shape)
        weights[name] = torch.ones(empty.shape) if name.endswith("alpha") else tiled
    return weights


def assigned(weights: dict[str, Tensor], dtype: torch.dtype) -> LanguageModel:
    """Return our model over the weights, without copying them."""
    model = LanguageModel(LM, "meta", dtype)
    norms = {name: weights[name].float() for name in weights if name.endswith("alpha")}
    model.load_state_dict(weights | norms, assign=True)
    return model.eval().requires_grad_(False)


def our_step(model: LanguageModel) -> Callable[[int], Any]:
    """Return a function that takes one step of a conversation."""
    state, shape = model.initial_state(1), model.grid_shape()
    sampler = Sampler(1, CODEBOOKS, (LM.text_cardinality, LM.cardinality), "cpu")
    sampler.start(0, Sampling(), 0)

    def step(number: int) -> Tensor:
        heard = torch.full((1, CODEBOOKS), number % 100)
        sampler.refill([0])
        hidden = model.temporal_step(state, heard, shape, True)
        frame = model.depth_step(state, hidden, shape, sampler.text, sampler.audio, None)
        state.columns[0] += 1
        return frame

    return step


def moshi_step(weights: dict[str, Tensor]) -> Callable[[int], Any]:
    """Return a function that takes one step of a conversation in moshi."""
    from moshi.models import LMGen
    from oracles import moshi_lm

    generator = LMGen(moshi_lm(assigned(weights, next(iter(weights.values())).dtype), LM.context))
    generator.streaming_forever(1)
    return lambda number: generator.step(torch.full((1, CODEBOOKS, 1), number % 100))


def prefill_row(model: LanguageModel) -> Row:
    """Return a prompt in one pass beside one step a column, both without depth transformer."""
    embedded = torch.randn(1, PROMPT, LM.dim, generator=torch.Generator().manual_seed(1)) * 0.02

    def whole(number: int) -> None:
        model.prefill(model.initial_state(1, PROMPT), embedded)

    def single(number: int) -> None:
        state = model.initial_state(1, PROMPT)
        for column in embedded.split(1, dim=1):
            model.prefill(state, column)

    whole_s = in_turn(WARM_UP + 1, {"whole": whole})["whole"][-1]
    single_s = in_turn(1, {"single": single})["single"][0]
    return row(f"prompt of {PROMPT} columns, one by one", whole_s, single_s)


if __name__ == "__main__":
    raise SystemExit(main())
