"""How many threads polars and numpy's matrices may use. Must be said before either is imported."""

from __future__ import annotations

import os


def one() -> None:
    """One, unless the user says otherwise. Reading hands polars thousands of small frames: dealing them out to a second thread takes a
    tenth of the CPU time of a scan of small files and makes none faster (measured). A second thread for products of small matrices mostly
    spins: vectors of entities took twice the CPU time to score, and no less of the clock's."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
