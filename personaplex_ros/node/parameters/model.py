"""What speaks: the model, its persona and how tokens are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.parameters.definition import When, parameter


@dataclass(frozen=True)
class ModelParameters:
    """What speaks: the model, its persona and how tokens are chosen."""

    checkpoint: str = parameter(
        "nano",
        "Checkpoint: nano (bundled, small) or the folder with the model's files.",
        When.UNCONFIGURED,
        pattern=r".*\S.*",
        form="a name or a folder",
    )
    device: str = parameter(
        "auto",
        "Where the model runs; auto takes the first GPU and falls back to the CPU.",
        When.UNCONFIGURED,
        pattern=r"auto|cpu|cuda(:\d+)?",
        form="auto, cpu, cuda or cuda:N",
    )
    dtype: str = parameter(
        "auto",
        "Number format of the language model; auto takes bfloat16 on a GPU, float32 on a CPU.",
        When.UNCONFIGURED,
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    weights: str = parameter(
        "auto",
        "How the language model's weights are stored: fewer bytes, faster steps. int8 or float8 on "
        "a GPU, float16 or int8 on a CPU; auto takes float16 for a small model that is stored so "
        "on a CPU, else dtype.",
        When.UNCONFIGURED,
        choices=("auto", "float16", "int8", "float8"),
    )
    long_conversation: str = parameter(
        "pin",
        "What stays of a conversation that outlasts the model's context: pin keeps the persona's "
        "prompt in reach; fresh begins the context anew with the prompt and the last frames; roll "
        "forgets the prompt first, as published.",
        When.UNCONFIGURED,
        choices=("pin", "fresh", "roll"),
    )
    user_transcript: bool = parameter(
        False,
        "Whether user_transcript tells what the person says, word by word; the checkpoint needs a "
        "listening head (listening.safetensors).",
        When.UNCONFIGURED,
    )
    admission_share: float = parameter(
        0.75,
        "Share of a frame's time that the model's step may take with one more robot, for that "
        "robot to be configured; where several robots share one model.",
        When.UNCONFIGURED,
        minimum=0.05,
        maximum=10.0,
    )
    persona: str = parameter(
        "receptionist",
        "Persona: name of a file in config/personas, or the path of such a file.",
        When.UNCONFIGURED,
        pattern=r".*\S.*",
        form="a name or a path",
    )
    text_prompt: str = parameter(
        "", "If not empty, replaces the persona's text prompt.", When.UNCONFIGURED
    )
    voice: str = parameter(
        "",
        "If not empty, replaces the persona's voice: a name, a .wav or a .pt file.",
        When.UNCONFIGURED,
    )
    seed: int = parameter(
        -1,
        "Seed of the next conversation; -1 takes one from the clock.",
        When.ANY,
        minimum=-1,
        maximum=2**31 - 1,
    )
    greedy: bool = parameter(
        False,
        "Take the most probable token instead of sampling.",
        When.ANY,
    )
    text_temperature: float = parameter(
        0.7,
        "Sampling temperature of the text.",
        When.ANY,
        minimum=0.01,
        maximum=5.0,
    )
    text_top_k: int = parameter(
        25,
        "Number of most probable text tokens to choose from.",
        When.ANY,
        minimum=1,
        maximum=32000,
    )
    audio_temperature: float = parameter(
        0.8,
        "Sampling temperature of the speech.",
        When.ANY,
        minimum=0.01,
        maximum=5.0,
    )
    audio_top_k: int = parameter(
        250,
        "Number of most probable audio tokens to choose from.",
        When.ANY,
        minimum=1,
        maximum=2048,
    )
    max_model_restarts: int = parameter(
        3,
        "Faults of the model after which the conversation is started again; "
        "at the next fault it stays silent until ~/reset.",
        When.ANY,
        minimum=0,
        maximum=1000,
    )
