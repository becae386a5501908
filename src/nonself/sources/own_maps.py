"""Sources made of the user's own mappings: TOML files in the words of `mapping`, and two parts that only these have.

    [read]                     how the bytes hold the records
    as = "csv"                   "json" (the default), "csv" or "parquet"
    delimiter = ";"              of CSV; by default the one of , ; tab and | that its header has most of

    [sigma]                    the log source that Sigma rules call these records by; it becomes `channel`
    product = "bitbucket"
    service = "audit"

In a mapping for CSV a field is a name of the header as it stands there, in quotes of its own or not; in one for Parquet a path, as in JSON.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nonself.core.errors import ConfigError
from nonself.sources import mapping_check
from nonself.sources.contract import Source
from nonself.sources.csv_source import CsvSource
from nonself.sources.json_source import JsonSource
from nonself.sources.mapping import Cell, Mapping, mapping
from nonself.sources.mapping_check import Read, Sigma
from nonself.sources.ocsf_parquet import Parquet


@dataclass(frozen=True, slots=True)
class Own:
    """A mapping of the user's, and how its bytes are read."""

    mapping: Mapping
    read: Read


def sources(paths: Iterable[Path], shipped: Sequence[JsonSource] = ()) -> tuple[Source, ...]:
    """The sources of all mappings in `paths`, files or folders of them, in order. Records of `shipped` kinds among a JSON source's own
    are read by these. ConfigError names the file and the part of it that is wrong."""
    found = [load(path) for path in _files(paths)]
    names = [own.mapping.name for own in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(expected="mappings of different names", got=f"{name!r} twice", do="change `name` in one of them")
    made = [source(own) for own in found if own.read.kind != "parquet"]
    json = [one for one in made if isinstance(one, JsonSource)]
    for one in json:
        one.beside([*json, *shipped])
    rows = [JsonSource(own.mapping) for own in found if own.read.kind == "parquet"]
    return (*made, *([Parquet(rows)] if rows else []))


def source(own: Own) -> Source:
    """The source one mapping makes by itself."""
    if own.read.kind == "parquet":
        return Parquet([JsonSource(own.mapping)])
    return CsvSource(own.mapping, own.read.delimiter) if own.read.kind == "csv" else JsonSource(own.mapping)


def load(path: Path) -> Own:
    """One mapping from its file."""
    try:
        return parse(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise ConfigError(expected="a mapping", got=error.strerror or str(error), where=str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(expected="text in UTF-8", got=f"byte {error.object[error.start]:#04x}", where=str(path)) from None


def parse(text: str, where: str) -> Own:
    """One mapping from its text."""
    try:
        return _own(tomllib.loads(text))
    except RecursionError:
        raise ConfigError(expected="a mapping", got="values nested too deeply", where=where) from None
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{where}: {error}") from None


def _own(table: dict[str, Any]) -> Own:
    read = mapping_check.part(table.pop("read", {}), Read, "[read]")
    sigma = mapping_check.part(table.pop("sigma"), Sigma, "[sigma]") if "sigma" in table else None
    mapping_check.types(table)
    found = mapping(table)
    if read.kind not in ("json", "csv", "parquet"):
        raise ConfigError(f"[read] as: expected json, csv or parquet, got {read.kind!r}")
    if read.delimiter and read.kind != "csv":
        raise ConfigError('[read] delimiter: expected only with as = "csv"')
    if read.delimiter in ('"', "\n", "\r", "\0"):
        raise ConfigError(f"[read] delimiter: expected one character such as , or ;, got {read.delimiter!r}")
    if read.kind == "csv":
        found = CsvSource.fitted(found)
    mapping_check.values(found, paths=read.kind != "csv")
    return Own(found if sigma is None else _named(found, sigma), read)


def _named(found: Mapping, sigma: Sigma) -> Mapping:
    """With the log source's name as `channel`, by which rules find their records."""
    if "channel" in found.cells:
        raise ConfigError("[sigma]: expected no `channel` in [columns], since the log source's name goes there")
    if not (sigma.product or sigma.category or sigma.service):
        raise ConfigError("[sigma]: expected `product`, `category` or `service`, got none")
    return replace(found, cells={**found.cells, "channel": Cell((f"={sigma.product}/{sigma.category}/{sigma.service}",))})


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.toml"))
            if not found:
                raise ConfigError(expected="mappings (*.toml)", got="none in this folder", where=str(path))
            yield from found
        else:
            yield path
