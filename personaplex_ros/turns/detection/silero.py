"""Silero VAD v6 (PyPI silero-vad, MIT): how probable speech is, window by window, without torch."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second that the network reads, in Hz."""
WINDOW = 512
"""Samples of a window, 32 ms."""
CONTEXT = 64
"""Samples of the window before that the network reads again."""
FAINT = np.float32(1e-20)
"""Added to samples: numbers too small for floats to be normal take twenty times longer."""
PACKAGE, FILE = "silero_vad", "data/silero_vad_16k_op15.onnx"


class Silero:
    """One stream through the network, which runs on one thread of a CPU.

    The package silero-vad brings the network; its own code, which imports torch, is not used.
    """

    def __init__(self) -> None:
        """Load the network; raises ImportError where silero-vad is not installed."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._network: Any = onnxruntime.InferenceSession(
            str(_file()), options, providers=["CPUExecutionProvider"]
        )
        self._rate = np.array(RATE, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._heard = np.zeros((1, CONTEXT + WINDOW), np.float32)

    def probability(self, window: NDArray[np.float32]) -> float:
        """Return how probable speech is, 0 to 1, in the next window, float32 [WINDOW]."""
        self._heard[0, :CONTEXT] = self._heard[0, -CONTEXT:]
        np.add(window, FAINT, out=self._heard[0, CONTEXT:])
        given = {"input": self._heard, "state": self._state, "sr": self._rate}
        found, self._state = self._network.run(None, given)
        return float(found[0, 0])


def _file() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder) / FILE).is_file():
            return path
    raise ImportError(f"{PACKAGE} with its {FILE} is not installed", name=PACKAGE)


def load_silero() -> Any:
    """Load the network as its package does, in torch, whose number of threads stays as it is."""
    import torch

    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        # TorchScript, the package's own format, is deprecated in torch; it works up to Python 3.14.
        warnings.simplefilter("ignore", DeprecationWarning)
        from silero_vad import load_silero_vad

        network = load_silero_vad()
    # The import limits torch to one thread in the whole process, the speech model included.
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return network
