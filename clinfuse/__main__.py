"""``python -m clinfuse``: the same as the command ``clinfuse``."""

from __future__ import annotations

import sys

from clinfuse.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
