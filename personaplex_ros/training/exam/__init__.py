"""The examination of ``nano``: callers it has never heard, judged by stated definitions."""

from personaplex_ros.training.exam.examination import Examination, examine

__all__ = ["Examination", "examine"]
