"""How many threads polars may use. Must be said before polars is imported."""

from __future__ import annotations

import os


def one() -> None:
    """One, unless the user says otherwise. Reading hands polars thousands of small frames: dealing them out to a second thread takes a
    tenth of the CPU time of a scan of small files and makes none faster (measured)."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
