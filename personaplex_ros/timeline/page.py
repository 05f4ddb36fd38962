"""The page: one HTML file that plays the conversation and moves through its timeline.

page.html, page.css and page.js beside this file are put together with the recording's data; the
result refers to nothing outside of itself.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
import re
from importlib import resources
from pathlib import Path

import numpy as np
import soundfile

from personaplex_ros.files import write_whole

from .envelope import envelope, full_scale_db
from .recording import Recording
from .summary import summary, title

BINS_PER_S = 200  # two bins a pixel at the page's scale, for screens of double density
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # RFC 6716, section 2


def write_html(recording: Recording, path: str | Path) -> None:
    """Write the page of ``recording`` to ``path``; raises FileNotFoundError without the folder."""
    text = _page(recording)
    write_whole(path, lambda target: target.write_text(text, encoding="utf-8"))


def encode_audio(recording: Recording) -> tuple[bytes, str]:
    """Return the conversation as a compressed file (user left, agent right) and its media type.

    Opus where it knows the sample rate, at about 8 kB a second; FLAC for all other rates.
    """
    samples = np.clip(np.stack([recording.user, recording.agent], axis=1), -1.0, 1.0)
    opus = recording.sample_rate in OPUS_RATES
    form, subtype = ("OGG", "OPUS") if opus else ("FLAC", "PCM_16")
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", recording.sample_rate, 2, format=form, subtype=subtype
    ) as file:
        # By the second: libsndfile's Ogg writers keep what they get at once on the stack.
        for start in range(0, len(samples), recording.sample_rate):
            file.write(samples[start : start + recording.sample_rate])
    return buffer.getvalue(), "audio/ogg; codecs=opus" if opus else "audio/flac"


def _page(recording: Recording) -> str:
    folder = resources.files(__package__)
    parts = {
        "title": html.escape(title(recording)),
        "style": (folder / "page.css").read_text(encoding="utf-8"),
        "script": (folder / "page.js").read_text(encoding="utf-8"),
        # Within a script element only "<" can end it or open a comment.
        "recording": json.dumps(_data(recording)).replace("<", "\\u003c"),
    }
    template = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub(r"@@(\w+)@@", lambda match: parts[match[1]], template)


def _data(recording: Recording) -> dict[str, object]:
    """Return what page.js reads."""
    audio, audio_type = encode_audio(recording)
    level_db = full_scale_db(recording.user, recording.agent)
    return {
        "summary": summary(recording),
        "duration_s": recording.duration_s,
        "extent_s": max(recording.extent_s, 1.0),
        "level_db": level_db,
        "user": _packed(recording.user, recording, level_db),
        "robot": _packed(recording.agent, recording, level_db),
        "words": [
            {"text": word.text, "start_s": word.start_s, "end_s": word.end_s}
            for word in sorted(recording.words, key=lambda word: word.start_s)
        ],
        "heard": [
            {"text": said.text, "start_s": said.start_s}
            for said in sorted(recording.heard, key=lambda said: said.start_s)
        ],
        "marks": [
            {"kind": mark.kind, "onset_s": mark.onset_s, "decided_s": mark.decided_s}
            for mark in sorted(recording.marks, key=lambda mark: mark.onset_s)
        ],
        "hold": recording.hold,
        "speaking": {side: recording.speaking(side) for side in ("user", "robot")},
        "audio_type": audio_type,
        "audio": base64.b64encode(audio).decode("ascii"),
    }


def _packed(samples: np.ndarray, recording: Recording, level_db: int) -> str:
    """Return lows, highs and root mean squares as int8, 127 being the lane's level, in base64."""
    bins = max(1, math.ceil(recording.duration_s * BINS_PER_S))
    shape = envelope(samples, bins)
    values = np.concatenate([shape.low, shape.high, shape.rms]) / 10 ** (level_db / 20)
    steps = np.round(np.clip(values, -1.0, 1.0) * 127).astype(np.int8)
    return base64.b64encode(steps.tobytes()).decode("ascii")
