"""What the command `personaplex` begins with: Ctrl-C ends it without a word from here on.

Only programs import this. What follows takes a while to be imported, and Python would tell where
it was in it; `interruption` takes over as soon as it is there.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is to be ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from personaplex_ros.cli import main

__all__ = ["main"]
