"""A data card: what stands beside a feature table so that whoever trains on it knows what it is, where it came from and what it lacks."""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl

from nonself import __version__
from nonself.core import safe
from nonself.ledger import Ledger
from nonself.serve.features import FEATURES

LIMITS = (
    "Windows without an event of the entity have no row.",
    "`new_*` and `age` count from the first event in these data: everything is new at first.",
    "Distinct counts are exact within a window and can't be added over windows.",
    "Zeros say that nothing of the kind was logged, not that nothing happened.",
    "Entity names come from logs, so attackers can choose some of them.",
    "No labels: incidents and verdicts are not part of it.",
)


def card(table: pl.DataFrame, data: bytes, ledger: Ledger, asked: dict[str, Any], read: dict[str, Any]) -> dict[str, Any]:
    """The card as JSON-able values. `asked` is what the command was asked for, `read` what was read: events by source, undated ones."""
    inputs = ledger.inputs()
    contents = hashlib.sha256("\n".join(sorted(inputs["content"])).encode()).hexdigest()
    times = table.select(pl.col("first").min(), pl.col("last").max()).row(0)
    nulls = table.null_count().row(0, named=True)
    return {
        "title": "nonself entity-window features", "nonself": __version__, "asked": asked, "rows": table.height,
        "entities": dict(table.group_by("kind").agg(pl.col("entity").n_unique()).sort("kind").iter_rows()),
        "first_event": times[0], "last_event": times[1], **read,
        "inputs": {"count": inputs.height, "sha256_of_contents": contents, "records": inputs["records"].sum()},
        "dead_letters": ledger.dead_counts(), "parquet": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        "columns": [
            {
                "name": f.name, "type": str(f.dtype), "unit": f.unit, "meaning": f.doc,
                "null_share": round(nulls[f.name] / table.height, 6) if table.height else 0.0,
            }
            for f in FEATURES
        ],
        "limits": list(LIMITS),
    }  # fmt: skip


def markdown(told: dict[str, Any]) -> str:
    """The card for people."""
    lines = [f"# {told['title']}", "", "| what | value |", "|---|---|"]
    for name, value in told.items():
        if name not in ("title", "columns", "limits"):
            lines.append(f"| {name.replace('_', ' ')} | {_shown(value)} |")
    lines += ["", "## Known limits", "", *(f"- {limit}" for limit in told["limits"])]
    lines += ["", "## Columns", "", "| column | type | unit | meaning | null share |", "|---|---|---|---|---|"]
    lines += [f"| `{c['name']}` | {c['type']} | {c['unit']} | {c['meaning']} | {c['null_share']:.1%} |" for c in told["columns"]]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    """Names of origin and reason are from logs: they are neutralised."""
    if isinstance(value, dict):
        return "; ".join(f"{safe.markdown(str(key))}: {_shown(item)}" for key, item in value.items()) or "none"
    return safe.markdown(value if isinstance(value, str) else safe.json(value).strip('"'))
