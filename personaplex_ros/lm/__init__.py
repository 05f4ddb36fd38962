"""The language model: token grid, temporal transformer, depth transformer, sampling."""

from personaplex_ros.lm.config import LMConfig
from personaplex_ros.lm.model import LanguageModel, LMState
from personaplex_ros.lm.sampling import Sampler
from personaplex_ros.lm.script import Script

__all__ = ["LMConfig", "LMState", "LanguageModel", "Sampler", "Script"]
