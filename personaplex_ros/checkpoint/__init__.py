"""Files <-> modules: where a checkpoint's parts lie, what they hold, and how they are loaded."""

from personaplex_ros.checkpoint.embedded_voice import EmbeddedVoice
from personaplex_ros.checkpoint.files import CheckpointFiles
from personaplex_ros.checkpoint.listening import load_listening_head, save_listening_head
from personaplex_ros.checkpoint.loading import load_codec, load_language_model, stored_in_half
from personaplex_ros.checkpoint.tokenizer import TextTokenizer
from personaplex_ros.checkpoint.voices import (
    WaveVoice,
    find_voice,
    load_voice,
    voice_file,
    voice_names,
)
from personaplex_ros.checkpoint.weights_file import stored_bytes

__all__ = [
    "CheckpointFiles",
    "EmbeddedVoice",
    "TextTokenizer",
    "WaveVoice",
    "find_voice",
    "load_codec",
    "load_language_model",
    "load_listening_head",
    "load_voice",
    "save_listening_head",
    "stored_bytes",
    "stored_in_half",
    "voice_file",
    "voice_names",
]
