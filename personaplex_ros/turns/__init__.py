"""Turn-taking: activity of both sides, events, the pause of motion, the robot's utterances."""

from .activity import Activity, LevelActivity, SpeechActivity
from .duplex import Duplex
from .echo import EchoReport
from .events import TurnEvent
from .giving_way import GivingWay, Silenceable
from .hold import HoldParameters, MotionHold
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
