"""`nonself features FILE`: the lake as entity-window features in Parquet, and its data card."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from nonself.core import safe
from nonself.core.errors import UsageError
from nonself.core.events import Events
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.serve import datacard, selection
from nonself.serve.features import COLUMNS, KINDS, features
from nonself.serve.run import UNTRUSTED, state_dir


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Exit status 2 where the lake holds no event that was asked for."""
    kinds = tuple(dict.fromkeys(kind.strip() for kind in arguments.kinds.split(",") if kind.strip()))
    if unknown := [kind for kind in kinds if kind not in KINDS] or not kinds:
        raise UsageError(expected=f"--kinds of {', '.join(KINDS)}", got=str(unknown))
    wanted = selection.predicate(None, arguments.since, arguments.until)
    with Ledger.open(state_dir(config), read_only=True) as ledger:
        counts: Counter[tuple[str, int]] = Counter()
        undated: Counter[str] = Counter()
        parts = selection.from_lake(ledger, wanted, arguments.since, arguments.until, columns=(*COLUMNS, "map_ver"))
        table = features(_counted(parts, counts, undated), arguments.window, kinds)
        data = _encoded(table)
        asked = {"window": arguments.window, "kinds": list(kinds), "since": arguments.since, "until": arguments.until}
        read = {
            "events_by_source": {source: _of(counts, source) for source in sorted({source for source, _ in counts})},
            "map_ver": {source: sorted(v for s, v in counts if s == source) for source in sorted({source for source, _ in counts})},
            "events_without_a_time": undated.total(),
        }
        told = datacard.card(table, data, ledger, asked, read)
    _write(arguments.out, data, told)
    print(f"{table.height:,} rows, {len(table.columns)} columns: {safe.terminal(str(arguments.out))}", file=sys.stderr)
    return 0 if table.height else UNTRUSTED


def _counted(parts: Iterator[Events], counts: Counter[tuple[str, int]], undated: Counter[str]) -> Iterator[Events]:
    for part in parts:
        keys = part.select(pl.col("source").fill_null("unknown"), pl.col("map_ver").fill_null(0))
        counts.update({(source, version): n for source, version, n in keys.group_by(keys.columns).len().iter_rows()})
        undated["events"] += part["time"].null_count()
        yield part


def _of(counts: Counter[tuple[str, int]], source: str) -> int:
    return sum(n for (name, _), n in counts.items() if name == source)


def _encoded(table: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    table.rechunk().write_parquet(out, compression="zstd", compression_level=3, statistics=True)
    return out.getvalue()


def _write(path: Path, data: bytes, told: dict[str, object]) -> None:
    try:
        path.write_bytes(data)
        path.with_suffix(".card.json").write_text(json.dumps(json.loads(safe.json(told)), indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".card.md").write_text(datacard.markdown(told), encoding="utf-8")
    except OSError as error:
        raise UsageError(expected="a file that can be written", got=error.strerror or str(error), where=str(path)) from error
