"""What is kept from the garbage collector is collected at the end of the process all the same."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from personaplex_ros.memory import keep_from_collector

class Loop:
    def __init__(self):
        self.itself = self
    def __del__(self):
        print("collected")

loop = Loop()
keep_from_collector()
keep_from_collector()
print("ending")
"""


def test_the_end_collects_what_was_kept() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split() == ["ending", "collected"], done
