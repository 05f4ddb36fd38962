"""One loaded model with slots for many conversations: microphone frames in, speech and text out."""

from personaplex_ros.conversing.model import Startup
from personaplex_ros.conversing.sampling import Sampling
from personaplex_ros.conversing.saying import Saying
from personaplex_ros.conversing.step import StepResult, StepTiming
from personaplex_ros.engine.engine import Engine
from personaplex_ros.engine.fault import ModelFault
from personaplex_ros.engine.prepared import PreparedPersona
from personaplex_ros.engine.session import Session
from personaplex_ros.engine.shared import SharedEngine, SharedSession
from personaplex_ros.persona import Persona, load_persona

__all__ = [
    "Engine",
    "ModelFault",
    "Persona",
    "PreparedPersona",
    "Sampling",
    "Saying",
    "Session",
    "SharedEngine",
    "SharedSession",
    "Startup",
    "StepResult",
    "StepTiming",
    "load_persona",
]
