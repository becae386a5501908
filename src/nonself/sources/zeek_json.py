"""Zeek's JSON lines, as written by Zeek, by json-streaming-logs and by Corelight: one object a record, of any log, in any order; and
what shippers wrap around one.

A record whose values have the types that Zeek gives them is decoded into a typed struct of its log (`zeek_shape`), all others one by one.
Either way gives the same, and which one is taken depends on the record alone. `ext` is null where `raw` is an object with Zeek's own
names; where a writer changed the names, or the line isn't strict JSON, it is the record as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.json_records import SHIPPERS, dump, layers
from nonself.sources.lines import Block
from nonself.sources.records import Record, dump_json, load_json
from nonself.sources.zeek_map import DOTTED, KINDS, MAX_NAME, NESTED, TIMELESS
from nonself.sources.zeek_plan import DTYPES, needed, plan
from nonself.sources.zeek_rows import Raw, Rows
from nonself.sources.zeek_shape import MILLISECONDS, Shape, shape

_PATHS = ("_path", "@stream", "_stream")
"""Keys under which writers put the log's path."""
_EXT = " ext"


def is_record(line: bytes) -> bool:
    """Whether a line is a record of Zeek's, by its keys."""
    if b'"ts' not in line and b'"@stream' not in line:
        return False
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(record, dict) and is_zeek(record)


def is_zeek(record: Record) -> bool:
    """Whether a record is one of Zeek's, by its keys."""
    record = _opened(record)
    if "event_type" in record:
        return False
    record = _dotted(record)
    if "@stream" in record:
        return "@proc" in record or "ts" in record
    return "ts" in record and ({"uid", "id.orig_h"} <= record.keys() or _kind(record) is not None or "_path" in record)


@dataclass(slots=True)
class _Sorted:
    """A block's records by how they are read: number, line and row of the typed, number, line, record and `told` of the loose.

    told  whether `ext` has to tell what the record says, since `raw` doesn't under Zeek's names
    """

    typed: dict[Shape, list[tuple[int, bytes, Any]]] = field(default_factory=dict)
    loose: dict[str | None, list[tuple[int, bytes, Record, bool]]] = field(default_factory=dict)

    def put(self, number: int, line: bytes, limits: Limits) -> None:
        """Read one record for itself. Raises RecordError."""
        whole = load_json(line, limits)
        record = _opened(whole)
        line = line if record is whole else dump(record)
        its = _shape_of(record)
        row = its.row(line) if its else None
        if its and row is not None:
            self.typed.setdefault(its, []).append((number, line, row))
            return
        named = _dotted(record)
        self.loose.setdefault(_path(named), []).append((number, line, named, named is not record or not _is_strict(line)))


def read_json(block: Block, rows: Rows, limits: Limits) -> None:
    """Add a block's records to `rows`. Blank lines mean nothing."""
    if _read_all_typed(range(block.first, block.first + len(block.lines)), block.lines, rows, limits):
        return
    numbers = [number for number, line in enumerate(block.lines, block.first) if line and not line.isspace()]
    lines = [block.lines[number - block.first] for number in numbers]
    if len(lines) == len(block.lines) or not _read_all_typed(numbers, lines, rows, limits):
        _read_one_by_one(zip(numbers, lines, strict=True), rows, limits)


def _read_all_typed(numbers: Sequence[int], lines: list[bytes], rows: Rows, limits: Limits) -> bool:
    """Add records that all have the shape of the first and Zeek's types; False where they don't."""
    guess = _guess(lines)
    columns = guess.block(lines, limits.json_depth) if guess else None
    if guess is None or columns is None:
        return False
    _add_typed(guess, columns, Raw.of(numbers, lines), rows)
    return True


def _read_one_by_one(members: Iterable[tuple[int, bytes]], rows: Rows, limits: Limits) -> None:
    """Records of several logs, or of which not all have the types they should."""
    groups = _Sorted()
    for number, line in members:
        try:
            groups.put(number, line, limits)
        except RecordError as error:
            rows.reject(number, line, error)
    for its, typed in groups.typed.items():
        numbers, lines, values = zip(*typed, strict=True)
        _add_typed(its, its.columns(values), Raw.of(numbers, list(lines)), rows)
    for path, loose in groups.loose.items():
        _add_loose(path, loose, rows)


def _add_typed(its: Shape, columns: list[pl.Series], raw: Raw, rows: Rows) -> None:
    rows.add(pl.DataFrame([raw.text, *columns]), plan(its.path, its.fields), raw)


def _guess(lines: Sequence[bytes]) -> Shape | None:
    """The shape of the block's first record, which is most often that of all."""
    try:
        record = orjson.loads(lines[0]) if lines else None
    except orjson.JSONDecodeError:
        return None
    return _shape_of(record) if isinstance(record, dict) and _opened(record) is record else None


def _shape_of(record: Record) -> Shape | None:
    """What a record under Zeek's own names can be decoded into."""
    return None if _renamed(record) else shape(_path(record), "_path" in record)


def _add_loose(path: str | None, found: Sequence[tuple[int, bytes, Record, bool]], rows: Rows) -> None:
    """Add records of one log, value by value."""
    records = [record for _, _, record, _ in found]
    columns = {name: [record.get(name) for record in records] for name in needed(path)}
    kinds = {name: "list" if any(isinstance(value, list) for value in values) else "text" for name, values in columns.items()}
    series = [pl.Series(name, [_as(kinds[name], value) for value in values], dtype=DTYPES[kinds[name]]) for name, values in columns.items()]
    if path not in TIMELESS:
        series.append(pl.Series("ts", [_seconds(record.get("ts")) for record in records], dtype=pl.Float64))
    ext = pl.Series(_EXT, [_told(path, record) if told else None for _, _, record, told in found], dtype=pl.String)
    raw = Raw.of([number for number, *_ in found], [line for _, line, *_ in found])
    rows.add(pl.DataFrame([raw.text, *series, ext]), (*plan(path, tuple(kinds.items())), pl.col(_EXT).alias("ext")), raw)


def _told(path: str | None, record: Record) -> str:
    return dump_json({"_path": path or "", **{name: value for name, value in record.items() if value is not None}})


def _is_strict(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _path(record: Record) -> str | None:
    for key in _PATHS:
        name = record.get(key)
        if isinstance(name, str):
            return name[:MAX_NAME]
    return _kind(record)


def _kind(record: Record) -> str | None:
    return next((path for path, needs in KINDS if needs <= record.keys()), None)


def _opened(record: Record) -> Record:
    """The record that this one was wrapped around."""
    return next((one for one in layers(record, SHIPPERS) if "ts" in one or "@stream" in one), record)


def _renamed(record: Record) -> bool:
    return "id_orig_h" in record or "@stream" in record or any(isinstance(record.get(name), dict) for name in NESTED)


def _dotted(record: Record) -> Record:
    """The record with Zeek's own field names."""
    if not _renamed(record):
        return record
    parts = ((f"{key}.", value) if isinstance(value, dict) else ("", {_original(key): value}) for key, value in record.items())
    return {prefix + name: value for prefix, part in parts for name, value in part.items()}


def _original(key: str) -> str:
    if not key.startswith(DOTTED):
        return key
    prefix = next(prefix for prefix in DOTTED if key.startswith(prefix))
    return f"{prefix[:-1]}.{key.removeprefix(prefix)}"


def _as(kind: str, value: Any) -> Any:
    """A JSON value as text or as a list of texts. Done here, value by value: a frame would look for what all of them have in common."""
    if kind == "list" and value is not None:
        return [_text(item) for item in (value if isinstance(value, list) else [value])]
    return _text(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else dump_json(value)


def _seconds(value: Any) -> float | None:
    """Seconds since 1970 of a ts: a number of seconds or milliseconds, or ISO 8601 text (UTC where it names no zone)."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / 1000 if value > MILLISECONDS else float(value)
