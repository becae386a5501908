"""The docs contract: whatever a user can name is documented, generated parts are up to date, and commands in the docs parse."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from nonself import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))


def _docs_script():  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts" / "docs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_generated_parts_are_up_to_date(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert _docs_script().filled(text) == text, "run `python scripts/docs.py`"


def test_every_generated_part_is_somewhere() -> None:
    everything = "".join(path.read_text(encoding="utf-8") for path in DOCS)
    for name in _docs_script().PARTS:
        assert f"<!-- generated: {name} -->" in everything


def _commands() -> list[tuple[str, str]]:
    found = []
    for path in [ROOT / "README.md", *DOCS]:
        for block in re.findall(r"```(?:sh|console)\n(.*?)```", path.read_text(encoding="utf-8"), re.S):
            for line in block.splitlines():
                command = line.removeprefix("$ ").split(" #")[0].split(" | ")[0].split(" > ")[0].strip()
                if command.startswith("nonself "):
                    found.append((path.name, command))
    return found


@pytest.mark.parametrize(("where", "command"), _commands())
def test_commands_in_the_docs_parse(where: str, command: str) -> None:
    cli.parser().parse_args(shlex.split(command)[1:])


def test_the_docs_show_commands() -> None:
    assert len(_commands()) >= 5


def test_links_between_docs_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *DOCS]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
