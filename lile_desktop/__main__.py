"""``python -m lile_desktop``: the window."""

import sys

from lile_desktop.app import main

if __name__ == "__main__":
    sys.exit(main())
