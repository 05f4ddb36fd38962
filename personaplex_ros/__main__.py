"""``python -m personaplex_ros`` is the ``personaplex`` command."""

import sys

from personaplex_ros.program import main

sys.exit(main())
