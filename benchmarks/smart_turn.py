"""smart-turn v3 as a judge of ends, to compare with: a Whisper encoder that is asked in silences.

The model is `pipecat/audio/turn/smart_turn/data/smart-turn-v3*.onnx` of PyPI's pipecat-ai. Needs
transformers (its features are Whisper's) and onnxruntime.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor

from personaplex_ros.audio import resample
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.turns.detection.activity import Activity

MODEL_RATE, MODEL_S = 16_000, 8
ASKED_S = (0.2, 0.5, 0.8, 1.1)  # of silence; its own pipeline asks at 0.2
SPEAKS, SILENT = 0.5, 0.35  # probabilities of speech, Silero's own


class SmartTurn:
    """Tells how sure the model is that a person has finished, as `TurnEndJudge` does."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options)
        self._features = WhisperFeatureExtractor(chunk_length=MODEL_S)
        self.reset()

    def reset(self) -> None:
        """Forget the person and what they said."""
        self._heard: NDArray[np.float32] = np.zeros(0, np.float32)
        self._silent_s, self._spoke = 0.0, False
        self._asked, self._sure = 0, 0.0

    def push(self, samples: NDArray[np.float32], windows: Sequence[Activity]) -> float:
        """Take a frame and the detector's windows; return the probability that the turn is over."""
        self._heard = np.concatenate((self._heard, samples))[-(MODEL_S + 1) * RATE :]
        for window in windows:
            if window.probability >= SPEAKS:
                self._silent_s, self._spoke, self._asked, self._sure = 0.0, True, 0, 0.0
            elif self._spoke and (self._silent_s > 0.0 or window.probability < SILENT):
                self._silent_s += window.length_samples / RATE
        if self._asked < len(ASKED_S) and self._silent_s >= ASKED_S[self._asked]:
            self._asked += 1
            self._sure = self._ask()
        return self._sure

    def _ask(self) -> float:
        heard = resample(self._heard, RATE, MODEL_RATE)[-MODEL_S * MODEL_RATE :]
        heard = np.pad(heard, (MODEL_S * MODEL_RATE - len(heard), 0))
        features = self._features(
            heard, sampling_rate=MODEL_RATE, do_normalize=True, return_tensors="np"
        )
        inputs = {"input_features": features["input_features"]}
        return float(self._session.run(None, inputs)[0].item())
