"""How well a small checkpoint such as ``nano`` converses, against goals set beforehand."""

from personaplex_ros.training.evaluation.evaluate import evaluate
from personaplex_ros.training.evaluation.progress import Bars
from personaplex_ros.training.evaluation.table import Report

__all__ = ["Bars", "Report", "evaluate"]
