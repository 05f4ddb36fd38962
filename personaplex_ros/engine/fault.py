"""What a conversation whose numbers are no longer finite raises."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from personaplex_ros.conversing.step import StepResult
from personaplex_ros.engine.frames.frame import PARTS
from personaplex_ros.engine.session import Session

NAMES = {
    "encode": "the codec's encoder",
    "temporal": "the temporal transformer",
    "depth": "the depth transformer",
    "decode": "the codec's decoder",
}


class ModelFault(RuntimeError):
    """A frame in which numbers are NaN or infinite; the conversation must be restarted.

    ``faults`` tells what was wrong, by conversation; ``results`` are those of the others of the
    frame, which are well and have moved on.
    """

    def __init__(self, faults: Mapping[Session, str], results: Mapping[Session, StepResult]):
        super().__init__("; ".join(faults.values()))
        self.faults = faults
        self.results = results


def fault_of(frame: int, finite: np.ndarray) -> str:
    """Say in which frame the numbers of which part (bool [parts], of ``PARTS``) are not finite.

    It is the first part that counts: what comes after it reads its numbers.
    """
    part = PARTS[int(np.argmin(finite))]
    other = ", or the samples are far beyond full scale" if part == "encode" else ""
    return (
        f"frame {frame}: numbers of {NAMES[part]} ({part}) are not finite (NaN or infinite); with "
        f"dtype float16 take bfloat16 or float32, else the checkpoint's weights are damaged{other}"
    )
