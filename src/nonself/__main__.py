"""`python -m nonself` is `nonself`."""

import sys

from nonself.cli import main

sys.exit(main())
