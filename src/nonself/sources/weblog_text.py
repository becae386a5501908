r"""Text web logs by column: quoted parts, request lines, stamps and the JSON of what has no column; shared by several sources.

A line is cut at its quotes by one literal split, which costs a fifteenth of a regex. Lines that hold `\"` take the regex: only there can
a quote be part of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from nonself.core.errors import RecordError
from nonself.core.schema import TIME
from nonself.sources.contract import Chunk, Input, Limits
from nonself.sources.lines import Block, split
from nonself.sources.records import Table, texts

ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)"
ACTIVITIES = {"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9}
"""HTTP methods as activities of OCSF's HTTP Activity."""
BAD_TIME = RecordError("bad-time", "expected a time of the years 1970 to 9999")

_LAST = 253_402_300_800_000_000  # us; no datetime holds the year 10000
_QUOTED = r'((?:[^"\\]|\\.)*)'
_ESCAPES = (["\\\\", '\\"', "\\x22", "\\x5C", "\\x5c"], ["\\", '"', '"', "\\", "\\"])
_PERCENT = {f"%{code:02{case}}": chr(code) for code in range(0x20, 0x7F) for case in "xX"}


@dataclass(frozen=True, slots=True)
class Raw:
    """Records as they came: their numbers in the file, their bytes, and the same as text (what isn't UTF-8 as U+FFFD)."""

    numbers: list[int]
    lines: list[bytes]
    text: pl.Series

    @staticmethod
    def of(numbers: list[int], lines: list[bytes]) -> Raw:
        return Raw(numbers, lines, texts("text", lines))

    def only(self, keep: pl.Series) -> Raw:
        """The records where `keep` is true."""
        chosen = keep.arg_true().to_list()
        return Raw([self.numbers[at] for at in chosen], [self.lines[at] for at in chosen], self.text.filter(keep))


def read_lines(
    source: str, version: int, source_input: Input, limits: Limits, parse: Callable[[pl.Series], pl.DataFrame], problem: RecordError
) -> Iterator[Chunk]:
    """The chunks of a log of one record a line; blank ones are none. `parse` gives lines the event columns of each and `good`, whether it
    is a record; `problem` is what is wrong with one that isn't."""
    for block in split(source_input, limits):
        raw = _filled(block)
        yield _chunk(Table(source, source_input.origin, version), raw, parse(raw.text), problem, block)


def _filled(block: Block) -> Raw:
    """The lines of a block that hold something."""
    if b"" not in block.lines and not any(map(bytes.isspace, block.lines)):
        return Raw.of(list(range(block.first, block.first + len(block.lines))), block.lines)
    kept = [(number, line) for number, line in enumerate(block.lines, block.first) if line and not line.isspace()]
    return Raw.of([number for number, _ in kept], [line for _, line in kept])


def _chunk(table: Table, raw: Raw, frame: pl.DataFrame, problem: RecordError, block: Block) -> Chunk:
    """The chunk of parsed lines. `frame` has the event columns of each line and `good`, whether it is a record; one without `time` is a
    "bad-time"."""
    good, timed = frame.get_column("good").fill_null(False), frame.get_column("time").is_not_null()
    keep = good & timed
    if not keep.all():
        for at in (~keep).arg_true().to_list():
            table.reject(raw.numbers[at], raw.lines[at], BAD_TIME if good[at] else problem)
        raw, frame = raw.only(keep), frame.filter(keep)
    table.numbers, table.raws = raw.numbers, raw.lines
    table.dead += block.dead
    if raw.lines:
        table.columns = dict(frame.drop("good").to_dict())
    return table.chunk(block.bytes)


def parts(text: pl.Series, count: int) -> pl.DataFrame:
    """Lines cut at their quotes: columns part_0 (before the first quote), part_1 (within the first quotes), ...; `count` is odd, and the
    last one holds all that is left. Parts a line does not have are null."""
    cut = text.str.splitn('"', count).struct.unnest()
    cut.columns = [f"part_{at}" for at in range(count)]
    escaped = text.str.contains('\\"', literal=True).fill_null(False)
    if not escaped.any():
        return cut
    rest = text.filter(escaped).str.extract_groups(_parts_regex(count // 2)).struct.unnest()
    rest.columns = cut.columns
    # Quotes that don't fit together are cut as they stand: a client must not be able to keep its requests out of the log.
    fits = rest.to_series(0).is_not_null()
    rest, at = rest.filter(fits), escaped.arg_true().filter(fits)
    plain = cut.with_row_index("at").join(at.alias("at").to_frame(), on="at", how="anti", maintain_order="left")
    return pl.concat([plain, rest.with_columns(at.alias("at")).select("at", *cut.columns)]).sort("at").drop("at")


@lru_cache(maxsize=8)
def _parts_regex(pairs: int) -> str:
    """A group for what stands before the quotes, and two for each pair of them; all but the first pair may be absent."""
    more = ("(?:" + f'"{_QUOTED}"{_QUOTED}') * (pairs - 2) + f'(?:"{_QUOTED}"(.*))?' + ")?" * (pairs - 2)
    return f'(?s)^{_QUOTED}"{_QUOTED}"{_QUOTED}{more}$'


def unescaped(values: pl.Series) -> pl.Series:
    r"""Values without the escapes that Apache and nginx write for quotes and backslashes; other bytes stay visible as `\xhh`."""
    if not values.str.contains("\\", literal=True).any():
        return values
    return values.str.replace_many(*_ESCAPES)


def unquoted(values: pl.Series) -> pl.Series:
    """Values without percent-encoding of printable ASCII, undone once."""
    if not values.str.contains("%", literal=True).any():
        return values
    return values.str.replace_many(list(_PERCENT), list(_PERCENT.values()))


def said(name: str) -> pl.Expr:
    """The text column, with a dash or nothing as null."""
    return pl.when((pl.col(name) != "-") & (pl.col(name) != "")).then(pl.col(name)).alias(name)


def apache_time(text: pl.Series) -> pl.Series:
    """Times of `02/Mar/2026:10:00:01 +0100`, null where it is none."""
    local = text.str.slice(0, 20).str.to_datetime("%d/%b/%Y:%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    zones = text.str.slice(20)
    first = _offset(str(zones.first()))
    if first is not None and (zones == zones.first()).all():  # a server seldom moves
        return instants(local - first)
    known = [zone for zone in zones.drop_nulls().unique().to_list() if _offset(zone) is not None]
    ahead = zones.replace_strict(known, [_offset(zone) for zone in known], default=None, return_dtype=pl.Int64)
    return instants(local - ahead)


def instants(microseconds: pl.Series) -> pl.Series:
    """Int64 microseconds since 1970 as times; outside the years 1970 to 9999 null."""
    inside = microseconds.is_between(0, _LAST, closed="left").fill_null(False)
    return microseconds.zip_with(inside, pl.Series([None], dtype=pl.Int64)).cast(pl.Datetime("us")).cast(TIME)


@lru_cache(maxsize=1_024)
def _offset(zone: str) -> int | None:
    """Microseconds east of UTC of ` +HHMM`."""
    if len(zone) != 6 or zone[:2] not in (" +", " -") or not (zone[2:].isascii() and zone[2:].isdigit()):
        return None
    size = (int(zone[2:4]) * 60 + int(zone[4:])) * 60_000_000
    return -size if zone[1] == "-" else size


def request(line: pl.Series) -> pl.DataFrame:
    """Request lines, `GET /path?query HTTP/1.1`: http_method, url_host (of absolute addresses), url_path, and `request`, the line itself
    where it is none."""
    cut = line.str.splitn(" ", 2).struct.unnest()
    method, rest = cut.to_series(0), cut.to_series(1)
    usual = method.is_in(list(ACTIVITIES)).fill_null(False)
    is_one = rest.is_not_null() & (usual if usual.all() else method.str.contains(r"^[A-Za-z][A-Za-z_-]{0,31}$").fill_null(False))
    target = rest.str.strip_suffix(" HTTP/1.1").str.strip_suffix(" HTTP/2.0").str.strip_suffix(" HTTP/1.0")
    if target.str.contains(" HTTP/", literal=True).any():
        target = rest.str.replace(r" HTTP/[0-9.]{1,8}$", "")
    frame = pl.DataFrame([line.alias("line"), method.alias("method"), target.alias("target"), is_one.alias("is_one")])
    return frame.select(
        http_method=pl.when("is_one").then("method"),
        url_path=pl.when("is_one").then("target"),
        request=pl.when(pl.col("is_one").not_() & (pl.col("line") != "-") & (pl.col("line") != "")).then("line"),
    ).pipe(located)


def located(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the host of absolute `url_path`s (open proxies are asked for those) in `url_host`, as far as that is not known."""
    path = pl.col("url_path")
    if "url_host" not in frame.columns:
        frame = frame.with_columns(url_host=pl.lit(None, dtype=pl.String))
    if frame.get_column("url_path").str.starts_with("/").fill_null(True).all():
        return frame
    absolute = path.str.contains(r"^[A-Za-z][A-Za-z0-9+.-]*://")
    host = pl.when(absolute).then(path.str.extract(r"^[^:]*://(?:[^/?#]*@)?\[?([^/:?#\]]+)")).when(pl.col("http_method") == "CONNECT").then(
        path.str.extract(r"^\[?([^/?#\]]+?)\]?:\d+$")
    )  # fmt: skip
    whole = pl.when(absolute).then(pl.coalesce(path.str.extract(r"^[^:]*://[^/?#]*([/?#].*)$"), pl.lit("/"))).otherwise(path)
    return frame.with_columns(url_host=pl.coalesce(host, "url_host"), url_path=whole)


def http_events(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with what follows from http_method and http_status (text): class, activity, op and outcome."""
    method, status = pl.col("http_method"), pl.col("http_status").cast(pl.Int16, strict=False)
    activity = method.str.to_uppercase().replace_strict(ACTIVITIES, default=99, return_dtype=pl.Int16)
    return frame.with_columns(
        class_uid=pl.lit(4002, dtype=pl.Int32),
        activity_id=pl.when(method.is_null()).then(pl.lit(0, dtype=pl.Int16)).otherwise(activity),
        op=method,
        status_code=pl.when(status > 0).then("http_status"),
        status_id=pl.when(status >= 400).then(pl.lit(2, dtype=pl.Int8)).when(status > 0).then(pl.lit(1, dtype=pl.Int8)),
        http_status=pl.when(status > 0).then(status),
    )


def stem() -> pl.Expr:
    """`url_path` without its query, where it has one: else the path is the stem."""
    path = pl.col("url_path")
    return pl.when(path.str.contains("?", literal=True)).then(path.str.splitn("?", 2).struct.field("field_0"))


def ext_of(frame: pl.DataFrame, height: int) -> pl.Series:
    """Columns (of `height` rows, or none at all) as one JSON object a row, members that are null left out; a row that has none is null."""
    names = [column.name for column in frame if column.null_count() < frame.height]
    if not names:
        return pl.Series("ext", [None], dtype=pl.String).new_from_index(0, height)
    whole = pl.struct(names).struct.json_encode()
    # Exact: within a JSON string a quote has a backslash before it, so `"name":null` is the member and nothing else.
    nulls = [f'"{name}":null' for name in names if frame.get_column(name).null_count()]
    for null in nulls:
        whole = whole.str.replace(null + ",", "", literal=True)
    if nulls and names[-1] == nulls[-1][1:-6]:
        whole = whole.str.replace("," + nulls[-1] + "}", "}", literal=True)
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in names)
    return frame.select(pl.when(some).then(whole).alias("ext")).to_series()
