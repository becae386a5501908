"""The process that `parquet_apart` has Parquet read in. It imports nothing of nonself's, so that it starts in a fifth of a second.

Asked on standard input, a line of JSON each: `path`, `first` and `count` of the rows, `columns` (null: all). Answers on standard output:
"F" and a frame as an Arrow IPC stream, or "E" and a reason, each with its length before it (eight bytes, big-endian).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

MEMORY = 8 << 30
"""Bytes of address space: a damaged length must not ask for all of the machine's memory."""


def main() -> None:
    """Answer until nobody asks any more."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        try:
            rows = pl.scan_parquet(asked["path"], glob=False, hive_partitioning=False)
            rows = rows if asked["columns"] is None else rows.select(asked["columns"])
            body = io.BytesIO()
            rows.slice(asked["first"], asked["count"]).collect().write_ipc_stream(body)
            mark, said = b"F", body.getvalue()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
            mark, said = b"E", str(error)[:200].encode("utf-8", "replace")
        answers.write(mark + len(said).to_bytes(8, "big") + said)
        answers.flush()


if __name__ == "__main__":
    main()
