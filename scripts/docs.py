"""Fill the generated parts of docs/: whatever stands between `<!-- generated: NAME -->` and `<!-- end -->`.

`python scripts/docs.py` writes, `--check` only says which files are out of date (exit 1). The docs contract tests use the same functions.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the tests load this file by its path
import docs_sources

from nonself import cli
from nonself.serve import tables

ROOT = Path(__file__).resolve().parent.parent
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.S)


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as a Markdown table; pipes are escaped."""
    rows = list(rows)
    if not rows:
        return "(none)\n"
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[c]).replace("|", "\\|").replace("\n", " ") for c in head) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def commands() -> str:
    """The help of every command, as it prints."""
    top = cli.parser()
    top.formatter_class = _Wide
    parts = [f"```\n{top.format_help()}```\n"]
    for action in top._subparsers._group_actions if top._subparsers else []:  # argparse offers no public way to list subcommands
        for name, command in dict(action.choices or {}).items():
            command.formatter_class = _Wide
            parts.append(f"\n### nonself {name}\n\n```\n{command.format_help()}```\n")
            parts += _actions(name, command)
    return "".join(parts)


def _actions(name: str, command: argparse.ArgumentParser) -> list[str]:
    """The help of a command's own actions."""
    parts = []
    for action in command._subparsers._group_actions if command._subparsers else []:
        for inner, parser in dict(action.choices or {}).items():
            parser.formatter_class = _Wide
            parts.append(f"\n#### nonself {name} {inner}\n\n```\n{parser.format_help()}```\n")
    return parts


class _Wide(argparse.HelpFormatter):
    """Help at a fixed width, whatever terminal the docs are made in."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=110, max_help_position=30)


def configuration() -> str:
    """The default configuration, which is its own documentation."""
    return "```toml\n" + (files("nonself.core") / "config.toml").read_text(encoding="utf-8").strip() + "\n```\n"


def rules() -> str:
    """The shipped Sigma rules."""
    from nonself.detect.sigma import Ruleset

    ruleset = Ruleset.load([], builtin=True)
    return table(
        {"rule": r.title, "level": r.level, "ATT&CK": " ".join(r.techniques), "about": r.description}
        for r in sorted(ruleset.rules, key=lambda r: (r.logsource.product or "", r.title))
    )


def campaigns() -> str:
    """The lab's campaigns."""
    from nonself.lab.attacks import CAMPAIGNS

    return table(
        {"campaign": one.name, "what": one.title, "steps": len(one.plan), "ATT&CK": " ".join(dict.fromkeys(s.technique for s in one.plan))}
        for one in CAMPAIGNS.values()
    )


def variants() -> str:
    """The ways a campaign may be led."""
    from nonself.lab.attacks.plan import VARIANTS

    return table({"variant": name, "what": meaning} for name, meaning in VARIANTS.items())


PARTS: dict[str, Callable[[], str]] = {
    "schema": lambda: table(tables.schema()),
    "sources": lambda: table(docs_sources.table()) + "\n" + docs_sources.classes(),
    "source-columns": docs_sources.columns,
    "detectors": lambda: table(tables.detectors()),
    "commands": commands,
    "configuration": configuration,
    "rules": rules,
    "campaigns": campaigns,
    "variants": variants,
}


def filled(text: str) -> str:
    """The text with every generated part made anew."""
    return _PART.sub(lambda m: m[1] + "\n" + PARTS[m[2]]() + "\n" + m[3], text)


def main() -> int:
    stale = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        new = filled(text)
        if new != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    print("out of date: " + ", ".join(stale) if stale else "docs are up to date")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
