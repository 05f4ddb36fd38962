"""Arguments that name a checkpoint, a persona and how tokens are chosen.

Where the public script has an option, it has the same name here.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from personaplex_ros.checkpoint import CheckpointFiles
from personaplex_ros.checkpoint.download import cached_checkpoint
from personaplex_ros.engine import Engine, Persona, Sampling, load_persona
from personaplex_ros.engine.long_conversation import MODES, PIN


def add_model_arguments(
    parser: argparse.ArgumentParser, default_persona: str = "receptionist if no prompt is given"
) -> None:
    """Add what ``load_engine``, ``chosen_persona`` and ``chosen_sampling`` read.

    ``default_persona`` says in the help who it is where nobody is asked for.
    """
    group = parser.add_argument_group("model")
    group.add_argument(
        "--checkpoint", metavar="DIR", help="checkpoint folder (default: the bundled nano)"
    )
    group.add_argument(
        "--hf-repo",
        metavar="REPO",
        help="download the checkpoint from this Hugging Face repository",
    )
    group.add_argument(
        "--moshi-weight",
        metavar="FILE",
        help="language model weights, if not in the checkpoint folder",
    )
    group.add_argument("--mimi-weight", metavar="FILE", help="codec weights, likewise")
    group.add_argument("--tokenizer", metavar="FILE", help="SentencePiece model, likewise")
    group.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)"
    )
    group.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="of the language model (default: bfloat16 on CUDA, float32 on a CPU)",
    )
    group.add_argument(
        "--weights",
        choices=("float16", "int8", "float8"),
        help="how the language model's weights are stored: int8 or float8 on a GPU, float16 or "
        "int8 on a CPU (default: float16 for a small model that is stored so, else dtype)",
    )
    group.add_argument(
        "--plain",
        action="store_true",
        help="for debugging: on a GPU run frames operation by operation, not as CUDA graphs",
    )
    group.add_argument(
        "--long-conversation",
        choices=MODES,
        default=PIN,
        help="what stays of one that outlasts the context: pin keeps the persona's prompt, fresh "
        "begins the context anew with it, roll forgets it first, as published (default: pin)",
    )
    group = parser.add_argument_group("persona")
    group.add_argument(
        "--persona",
        metavar="NAME",
        help=f"name in config/personas or YAML file (default: {default_persona})",
    )
    group.add_argument("--text-prompt", metavar="TEXT", help="who the robot is, in words")
    group.add_argument("--voice-prompt", metavar="VOICE", help="how it sounds: name, .wav or .pt")
    group.add_argument("--voice-prompt-dir", metavar="DIR", help="folder to look for voices in")
    group = parser.add_argument_group("sampling")
    base = Sampling()
    group.add_argument("--temp-audio", type=float, default=base.audio_temperature, metavar="T")
    group.add_argument("--temp-text", type=float, default=base.text_temperature, metavar="T")
    group.add_argument("--topk-audio", type=int, default=base.audio_top_k, metavar="K")
    group.add_argument("--topk-text", type=int, default=base.text_top_k, metavar="K")
    group.add_argument("--greedy", action="store_true", help="take the most likely token always")
    group.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")


def load_engine(arguments: argparse.Namespace, slots: int = 1, listens: bool = False) -> Engine:
    """Load the engine that the arguments name, for so many conversations at a time.

    ``listens`` is that of ``Engine.load``.
    """
    checkpoint = arguments.checkpoint
    if arguments.hf_repo and not checkpoint:
        checkpoint = cached_checkpoint(arguments.hf_repo)
    if arguments.moshi_weight and not checkpoint:
        checkpoint = Path(arguments.moshi_weight).parent
    files = CheckpointFiles.find(
        checkpoint or "nano",
        model=arguments.moshi_weight,
        mimi=arguments.mimi_weight,
        tokenizer=arguments.tokenizer,
    )
    folders = [Path(arguments.voice_prompt_dir)] if arguments.voice_prompt_dir else []
    return Engine.load(
        files,
        device=arguments.device,
        dtype=arguments.dtype,
        weights=arguments.weights,
        slots=slots,
        voice_folders=folders,
        plain=arguments.plain,
        long_conversation=arguments.long_conversation,
        listens=listens,
    )


def chosen_persona(arguments: argparse.Namespace) -> Persona:
    """Return the persona, its prompts replaced by those that are given."""
    given = arguments.text_prompt is not None or arguments.voice_prompt is not None
    if arguments.persona or not given:
        persona = load_persona(arguments.persona or "receptionist")
    else:
        persona = Persona("prompt")
    if arguments.text_prompt is not None:
        persona = replace(persona, text_prompt=arguments.text_prompt)
    if arguments.voice_prompt is not None:
        persona = replace(persona, voice=arguments.voice_prompt)
    return persona


def chosen_sampling(arguments: argparse.Namespace) -> Sampling:
    """Return how tokens are to be chosen."""
    return Sampling(
        text_temperature=arguments.temp_text,
        text_top_k=arguments.topk_text,
        audio_temperature=arguments.temp_audio,
        audio_top_k=arguments.topk_audio,
        greedy=arguments.greedy,
    )
