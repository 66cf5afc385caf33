"""``python -m lile_engine`` is the ``lile`` command."""

import sys

from lile_engine.cli import main

sys.exit(main())
