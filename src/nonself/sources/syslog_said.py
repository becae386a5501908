"""From messages and the programs that wrote them to event columns; shared by syslog and journald.

A message is first compared with the usual forms of its program's patterns, all at once; only what fits none goes through regexes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import SCHEMA
from nonself.sources import sysmon_linux_map
from nonself.sources.syslog_map import CLASSES as SAID
from nonself.sources.syslog_map import FAMILIES, PATTERNS, Pattern, patterns_of
from nonself.sources.syslog_words import Form, Ints, Said
from nonself.sources.sysmon_linux import frame
from nonself.sources.sysmon_linux_map import START, row

CLASSES = tuple(sorted({*SAID, *sysmon_linux_map.CLASSES}))

_ADDRESS = r"^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$"
_UID = r"\(uid=\d+\)$"
_NOBODY = ("", "LOGIN", "(unknown)")
"""Who opens a session where it is the program itself: `by LOGIN(uid=0)` of consoles, `by (unknown)(uid=0)` of old display managers."""
_REPEATED = "message repeated {} times: [ {*}"
_NUMERIC = "src_port"
_KEY = 4
"""Every form begins with at least as many fixed bytes."""
_ODD = -2
"""The pattern number of messages that no form fits."""


def understand(said: Said, program: pl.Series) -> pl.DataFrame:
    """The event columns that the messages tell, one row each; `ext` where they tell what no column holds."""
    said = _repeated(said)
    family = program.alias("p").to_frame().select(pl.col("p").replace_strict(FAMILIES, default=0, return_dtype=pl.Int64)).to_series()
    kinds, places = _by_form(said, family.to_numpy())
    found = _columns(said, kinds, places)
    odd = np.flatnonzero(kinds == _ODD)
    if len(odd):
        found = _overlaid(found, odd, _by_regex(said.take(odd), family.gather(odd)))
    traced = odd[said.lines.holds(said.start[odd], START.encode())]
    return _traced(found, said, traced) if len(traced) else found


def _traced(found: pl.DataFrame, said: Said, rows: Ints) -> pl.DataFrame:
    """What Sysmon for Linux says of these rows; a message that only begins as its own stays what it was."""
    read: list[dict[str, Any]] = []
    kept: list[int] = []
    for at, message in zip(rows.tolist(), said.take(rows).cut().to_list(), strict=True):
        try:
            read.append(row(message))
            kept.append(at)
        except RecordError:
            continue
    return _overlaid(found, np.array(kept, np.int64), frame(read)) if read else found


def beside(found: pl.DataFrame, series: Sequence[pl.Series]) -> pl.DataFrame:
    """`found` with further columns; where both have a column, what the message told counts first."""
    both = {one.name for one in series if one.name in found.columns}
    frame = found.with_columns(one.alias(f".{one.name}") if one.name in both else one for one in series)
    return frame.with_columns(pl.coalesce(name, f".{name}").alias(name) for name in sorted(both)).drop(f".{name}" for name in both)


def _repeated(said: Said) -> Said:
    """`message repeated 3 times: [ ... ]` stands for what is between the brackets."""
    rows = np.flatnonzero(said.lines.holds(said.start, b"message repeated "))
    if not len(rows):
        return said
    hits, _ = _form(_REPEATED).match(said.take(rows))
    rows = rows[hits]
    rows = rows[said.lines.buffer[said.end[rows] - 1] == ord("]")]
    start, end, first = said.start.copy(), said.end.copy(), said.first.copy()
    start[rows] = said.lines.marks[first[rows] + 4] + 1
    end[rows] -= 1
    first[rows] += 5
    return Said(said.lines, said.row, start, end, first, said.last)


@lru_cache(maxsize=1)
def _form(text: str) -> Form:
    return Form(text)


@lru_cache(maxsize=64)
def _forms(family: int) -> tuple[tuple[int, tuple[tuple[int, Form], ...]], ...]:
    """The forms of a family's patterns, each with the number of its pattern, by the four bytes they begin with."""
    found: dict[int, list[tuple[int, Form]]] = {}
    for pattern in patterns_of(family):
        for form in map(Form, pattern.forms):
            found.setdefault(int.from_bytes(form.head[:_KEY], "little"), []).append((PATTERNS.index(pattern), form))
    return tuple((key, tuple(forms)) for key, forms in found.items())


def _by_form(said: Said, family: Ints) -> tuple[Ints, dict[str, tuple[Ints, Ints]]]:
    """For each message the number of the pattern of which a form fits, and the places of its fields (-1: none)."""
    kinds = np.full(len(said.start), _ODD, np.int64)
    places: dict[str, tuple[Ints, Ints]] = {}
    heads = said.lines.eights[said.start]
    keys = heads.astype(np.uint32)
    for number in np.flatnonzero(np.bincount(family)).tolist():
        of_family = family == number
        for key, forms in _forms(number):
            rows = np.flatnonzero((keys == key) & of_family)
            for kind, form in forms if len(rows) else ():
                alike = rows[form.begins(heads[rows])]
                if len(alike):
                    _enter(said, alike, kind, form, kinds, places)
                    rows = rows[kinds[rows] == _ODD]
    return kinds, places


def _enter(said: Said, rows: Ints, kind: int, form: Form, kinds: Ints, places: dict[str, tuple[Ints, Ints]]) -> None:
    """Note which of the rows have the form, and where its fields are."""
    hits, fields = form.match(said.take(rows))
    rows = rows[hits]
    numeric = fields.get(_NUMERIC)
    if numeric is not None:
        good = said.lines.number(*numeric) >= 0
        rows, fields = rows[good], {name: (start[good], end[good]) for name, (start, end) in fields.items()}
    kinds[rows] = kind
    for name, (start, end) in fields.items():
        whole = places.setdefault(name, (np.full(len(kinds), -1, np.int64), np.full(len(kinds), -1, np.int64)))
        whole[0][rows], whole[1][rows] = start, end


@lru_cache(maxsize=1)
def _constants() -> pl.DataFrame:
    """The fixed columns of every pattern with forms, by its number; the last row is that of no pattern."""
    rows: list[dict[str, Any]] = [
        {
            **(one.constant if one.forms else {}),
            "op": one.op,
            "class_uid": one.class_uid,
            "activity_id": one.activity_id,
            "status_id": one.status_id,
        }
        for one in PATTERNS
    ]
    rows.append({"class_uid": 0})
    schema = {name: dtype for name, dtype in SCHEMA.items() if any(name in cells for cells in rows)}
    return pl.DataFrame([pl.Series(name, [cells.get(name) for cells in rows], dtype=dtype) for name, dtype in schema.items()])


def _columns(said: Said, kinds: Ints, places: dict[str, tuple[Ints, Ints]]) -> pl.DataFrame:
    """Columns of the messages that some form fits; all else has class 0."""
    table = _constants()
    found = table[np.where(kinds == _ODD, table.height - 1, kinds)]
    number = places.pop(_NUMERIC, None)
    found = found.hstack(said.lines.cut_all(places, said.row))
    if number is not None:
        start, end = number
        ports = pl.Series(_NUMERIC, np.where(start >= 0, said.lines.number(start, np.maximum(end, start)), -1))
        found = found.hstack([ports.set(ports < 0, None).cast(pl.Int32)])
    return _settled(found)


def _by_regex(said: Said, family: pl.Series) -> pl.DataFrame:
    """The columns of messages that have no usual form."""
    lines = pl.DataFrame([pl.Series("number", np.arange(len(said.start))), said.cut().alias("message"), family.alias("family")])
    parts = [part for (number,), rows in lines.partition_by("family", as_dict=True).items() for part in _family(rows, int(number))]
    return pl.concat(parts, how="diagonal").sort("number").drop("number")


def _family(lines: pl.DataFrame, family: int) -> Iterator[pl.DataFrame]:
    """The columns found in the lines of one family of programs, a frame for each pattern."""
    patterns, expr = _kinds(family)
    for (kind,), part in lines.select("number", "message", kind=expr).partition_by("kind", as_dict=True).items():
        yield _part(part, patterns[kind]) if kind is not None else part.select("number", class_uid=pl.lit(0, dtype=pl.Int32))


@lru_cache(maxsize=64)
def _kinds(family: int) -> tuple[tuple[Pattern, ...], pl.Expr]:
    """The patterns of a family, and the index of the first that fits a message, or null."""
    patterns = patterns_of(family)
    fits = [pl.when(_fits(pattern)).then(pl.lit(at, dtype=pl.Int32)) for at, pattern in enumerate(patterns)]
    return patterns, pl.coalesce(*fits)


def _fits(pattern: Pattern) -> pl.Expr:
    message = pl.col("message")
    fits = pl.any_horizontal([message.str.starts_with(start) for start in pattern.starts])
    return fits & message.str.contains(pattern.has, literal=True) if pattern.has else fits


def _part(lines: pl.DataFrame, pattern: Pattern) -> pl.DataFrame:
    """The columns that one pattern finds in its lines."""
    found = lines.select(
        "number",
        **{name: pl.lit(value) for name, value in pattern.constant.items()},
        op=pl.lit(pattern.op), class_uid=pl.lit(pattern.class_uid, dtype=pl.Int32), activity_id=pl.lit(pattern.activity_id, dtype=pl.Int16),
        status_id=pl.lit(pattern.status_id, dtype=pl.Int8),
    )  # fmt: skip
    if pattern.regex:
        groups = lines.get_column("message").str.extract_groups(pattern.regex).struct.unnest()
        groups = groups.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in groups.columns)
        groups = groups.with_columns(pl.col("proto").str.to_lowercase()) if "proto" in groups.columns else groups
        found = _settled(found.hstack(groups))
    return found.with_columns(pl.col(name).cast(SCHEMA[name], strict=False) for name in found.columns if name in SCHEMA)


def _settled(found: pl.DataFrame) -> pl.DataFrame:
    """The stand-ins of `Pattern` put where they belong."""
    names, user, target = set(found.columns), pl.col("user"), pl.col("tgt_user")
    if names & {"owner", "by"}:
        found = found.with_columns(pl.lit(None, pl.String).alias(name) for name in ("user", "tgt_user") if name not in names)
    if "source" in names:
        source, is_address = pl.col("source"), pl.col("source").str.contains(_ADDRESS)
        found = found.with_columns(src_ip=pl.when(is_address).then(source), src_host=pl.when(~is_address).then(source))
    if "owner" in names:  # who opens a session for another acts on it; who is let in acts himself
        owner, opener = (pl.col(name).str.replace(_UID, "") for name in ("owner", "opener"))
        opener = pl.when(~opener.is_in(_NOBODY)).then(opener)
        other = pl.when(opener != owner).then(owner)
        found = found.with_columns(user=pl.coalesce(opener, owner, user), tgt_user=pl.coalesce(other, target))
    if "by" in names:
        by = pl.col("by")
        found = found.with_columns(user=pl.coalesce(by, user), tgt_user=pl.coalesce(pl.when(by != user).then(user), target))
    if "refused" in names:
        ran, command = pl.col("refused").is_null(), pl.col("cmdline")
        found = found.with_columns(
            op=pl.when(ran).then(pl.col("op")).otherwise(pl.lit("sudo_failed")), status_id=pl.when(ran).then(1).otherwise(2),
            status_code="refused", image=pl.when(ran).then(command.str.splitn(" ", 2).struct.field("field_0")),
            ext=pl.when(pl.col("tty").is_not_null()).then(pl.struct(TTY="tty").struct.json_encode()),
        )  # fmt: skip
    return found.drop("source", "owner", "opener", "by", "refused", "tty", strict=False)


def _overlaid(found: pl.DataFrame, rows: Ints, over: pl.DataFrame) -> pl.DataFrame:
    """`found` with these rows replaced by those of `over`."""
    order = np.arange(found.height)
    order[rows] = found.height + np.arange(len(rows))
    return pl.concat([found, over.cast({n: t for n, t in found.schema.items() if n in over.columns})], how="diagonal")[order]
