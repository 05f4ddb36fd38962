"""Turn-taking: activity of both sides, events, the pause of motion, the robot's utterances."""

from .detection.activity import Activity, LevelActivity, SpeechActivity
from .events import TurnEvent
from .giving_way import GivingWay, Silenceable
from .guards.echo import EchoReport
from .hold import HoldParameters, MotionHold
from .judges.duplex import Duplex
from .monitor import TurnMonitor, TurnUpdate
from .parameters import TurnParameters
from .tracker import TurnTracker
from .user_utterance import UserUtterance, UserUtteranceAssembler
from .utterance import Utterance, UtteranceAssembler, UtteranceParameters

__all__ = [
    "Activity",
    "Duplex",
    "EchoReport",
    "GivingWay",
    "HoldParameters",
    "LevelActivity",
    "MotionHold",
    "Silenceable",
    "SpeechActivity",
    "TurnEvent",
    "TurnMonitor",
    "TurnParameters",
    "TurnTracker",
    "TurnUpdate",
    "UserUtterance",
    "UserUtteranceAssembler",
    "Utterance",
    "UtteranceAssembler",
    "UtteranceParameters",
]
