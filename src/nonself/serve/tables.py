"""The tables `nonself schema`, `sources` and `detectors` print; the docs are generated from the same rows."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from nonself.core import safe

Rows = list[dict[str, Any]]


def schema() -> Rows:
    """One row per event column."""
    from nonself.core.schema import COLUMNS

    return [
        {"column": c.name, "type": str(c.dtype), "unit": c.unit, "group": c.group, "ocsf": c.ocsf, "trust": c.trust, "doc": c.doc}
        for c in COLUMNS
    ]


def sources() -> Rows:
    """One row per source kind."""
    from nonself.core.schema import CLASSES
    from nonself.sources import SOURCES

    return [
        {"source": s.name, "title": s.title, "formats": s.formats, "classes": ", ".join(CLASSES.get(c, str(c)) for c in s.classes)}
        for s in SOURCES
    ]


def detectors() -> Rows:
    """One row per behaviour detector; `days` is what its self must hold before it makes a finding."""
    from nonself.detect import detectors as all_detectors
    from nonself.detect.content import specs

    return [
        {
            "detector": d.name, "title": d.title, "about": d.about, "primitive": d.primitive, "days": d.min_days,
            "attack": " ".join(d.attack), "columns": " ".join(d.columns),
        }
        for d in specs(all_detectors())
    ]  # fmt: skip


TABLES = {"schema": schema, "sources": sources, "detectors": detectors}


def show(name: str, *, as_json: bool) -> int:
    """Print one table; JSON lines where asked for."""
    rows = TABLES[name]()
    if as_json:
        for row in rows:
            print(safe.json(row))
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(highlight=False).print(table)
    return 0
