"""Write `src/nonself/sources/ocsf_classes.tsv`, what the OCSF mapping needs to know of every class, from the package `ocsf-json-schema`.

`python scripts/ocsf_classes.py` writes, `--check` only says whether the file is out of date (exit 1). A new OCSF version is one run of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ocsf_json_schema import get_ocsf_schema

from nonself.core.schema import OCSF_VERSION
from nonself.sources.ocsf_paths import HEADS

TARGET = Path(__file__).resolve().parent.parent / "src" / "nonself" / "sources" / "ocsf_classes.tsv"
HEAD = (
    f"# OCSF {OCSF_VERSION} (schema.ocsf.io, Apache-2.0), written by scripts/ocsf_classes.py.\n"
    "# uid, caption, category uid, category, own attributes in use, those required, those of which one is required, activities\n"
)


def table() -> str:
    """The file's text."""
    schema = get_ocsf_schema(OCSF_VERSION)
    base = schema["classes"]["base_event"]["attributes"]
    categories = {c["uid"]: c["caption"] for c in schema["categories"]["attributes"].values()}
    rows = sorted((_row(c, base, categories) for c in schema["classes"].values()), key=lambda row: int(row[0]))
    return HEAD + "".join("\t".join(row) + "\n" for row in rows)


def _row(kind: dict[str, Any], base: dict[str, Any], categories: dict[int, str]) -> list[str]:
    own = {name: one for name, one in kind["attributes"].items() if not one.get("profiles")}
    shared = {name for name, one in base.items() if not one.get("profiles")}
    used = sorted(own.keys() & HEADS)
    required = sorted(name for name, one in own.items() if one["requirement"] == "required" and name not in shared)
    one_of = (kind.get("constraints") or {}).get("at_least_one") or []
    activities = sorted((int(uid), one["caption"]) for uid, one in kind["attributes"]["activity_id"]["enum"].items())
    return [
        str(kind["uid"]), kind["caption"], str(kind["category_uid"] if kind["uid"] else 0),
        categories.get(kind["category_uid"], "Uncategorized"), " ".join(used), " ".join(required), " ".join(sorted(one_of)),
        ";".join(f"{uid}={caption}" for uid, caption in activities),
    ]  # fmt: skip


def main() -> int:
    text = table()
    if "--check" in sys.argv:
        stale = not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text
        print("ocsf_classes.tsv is out of date" if stale else "ocsf_classes.tsv is up to date")
        return int(stale)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
