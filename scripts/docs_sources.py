"""What docs/sources.md says of each source: measured over the contract's samples, and read off the tables that map JSON."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import polars as pl

from nonself.core import events
from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import SOURCES, json_kinds, lines, mapping
from nonself.sources.contract import Limits, Source
from nonself.sources.records import load_json

ROOT = Path(__file__).resolve().parent.parent
_ALWAYS = ("time", "uid", "source", "origin", "record", "class_uid", "raw", "ext", "map_ver")
"""Columns that say nothing of what a source tells."""
_SHOWN = 24
_TABLED = {source.name for source in json_kinds.sources()}


def table() -> list[dict[str, str]]:
    """One row per source; OCSF classes by their numbers."""
    return [
        {"source": s.name, "title": s.title, "formats": s.formats, "classes": " ".join(map(str, sorted(s.classes)))} for s in SOURCES
    ]  # fmt: skip


def classes() -> str:
    """The numbers of the table, explained once."""
    used = sorted({uid for source in SOURCES for uid in source.classes})
    return "OCSF classes: " + ", ".join(f"{uid} {CLASSES[uid]}" for uid in used) + ".\n"


def columns() -> str:
    """A paragraph per source: event kinds (`channel` and `op` of the samples), columns filled, fields without a column."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_sources_samples import SAMPLES

    return "\n".join(_paragraph(source, [data for _, data, _ in SAMPLES[source.name]]) for source in SOURCES)


def _paragraph(source: Source, samples: list[bytes]) -> str:
    frame = events.concat(chunk.events for data in samples for chunk in source.read(lines.in_memory(data), Limits()))
    filled = [name for name in SCHEMA if name not in _ALWAYS and frame[name].null_count() < frame.height]
    text = f"**{source.name}** ({len(filled)} columns): {' '.join(filled)}."
    kinds = frame.select(pl.coalesce("op", "channel").alias("kind")).drop_nulls().unique(maintain_order=True)["kind"].to_list()
    text += f" Operations in the samples: {_some(kinds)}." if kinds else ""
    said, kept = _native(source, frame)
    text += f" {said}: {_some(kept)}." if kept else ""
    return _wrapped(text)


def _native(source: Source, frame: pl.DataFrame) -> tuple[str, list[str]]:
    """Native fields of the samples: those in `ext`, or of a table's kind those that the table reads into no column."""
    if frame["ext"].null_count() < frame.height:
        return "By their own names in `ext`", _names(frame["ext"])
    if source.name not in _TABLED:
        return "", []  # `raw` is the record, and code, not a table, says which of its fields have columns
    read = {_plain(field) for field in mapping.shipped(source.name).fields()}
    return "Without a column, in `raw`", [name for name in _names(frame["raw"]) if name not in read]


def _names(texts: pl.Series) -> list[str]:
    records = [load_json(text.encode(), Limits()) for text in texts.drop_nulls() if text.startswith("{")]
    return sorted({name for record in records for name in _leaves(record)})


def _leaves(value: object, at: str = "") -> list[str]:
    """Dotted names of the values a record holds; items of lists share a name."""
    if isinstance(value, dict):
        return [name for key, held in value.items() for name in _leaves(held, f"{at}.{key}" if at else str(key))]
    if isinstance(value, list) and value:
        return [name for held in value for name in _leaves(held, at)]
    return [at] if value is not None else []


def _plain(field: str) -> str:
    """A mapping's field as `_leaves` names it: without filters, indexes and quotes."""
    return re.sub(r"\.\d+(?=\.|$)", "", re.sub(r"\[[^\]]*\]", "", field)).replace('"', "")


def _some(names: list[str]) -> str:
    shown = ", ".join(f"`{re.sub(r'[`|]', '', name)[:60]}`" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _wrapped(text: str, width: int = 140) -> str:
    """Words in lines of at most `width`."""
    out, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*out, line]) + "\n"
