"""What a node asks of the model that it talks with, whether it runs here or elsewhere; no torch."""

from personaplex_ros.conversing.model import AnyEngine, AnyPrepared, AnySession, Startup
from personaplex_ros.conversing.sampling import Sampling
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.conversing.step import StepResult, StepTiming

__all__ = [
    "AnyEngine",
    "AnyPrepared",
    "AnySession",
    "Sampling",
    "Saying",
    "Startup",
    "StepResult",
    "StepTiming",
]
