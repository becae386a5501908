"""From a frame of one Zeek log's own fields to event columns: the recipes of `zeek_map`, built once per set of fields.

A field has a kind: "text", "int", "real", "flag" or "list". TSV headers declare it, JSON shows it; where a recipe wants another kind it
is cast, and what doesn't fit is null. Cells of a TSV log are turned into values (`cell`) within the same expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

import polars as pl

from nonself.core.schema import SCHEMA
from nonself.sources.zeek_map import CONNECTION, LISTS, NUMBERS, log_of

DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(), "int": pl.Int64(), "real": pl.Float64(), "flag": pl.Boolean(), "list": pl.List(pl.String),
}  # fmt: skip
TEXT = " raw"
"""The column beside the fields that holds the records' text; no field of Zeek's has a blank in its name."""
Fields = tuple[tuple[str, str], ...]
"""The fields of a log and their kinds, in order."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands in the cells of a TSV log between items of a set, and for the empty (None where that does not occur)."""

    set: str
    empty: str | None


@dataclass(frozen=True, slots=True)
class Converter:
    """`build` gets one expression a field, of the given kinds (the last one stands for all that follow)."""

    kinds: tuple[str, ...]
    build: Callable[..., pl.Expr]


def _text(build: Callable[..., pl.Expr]) -> Converter:
    return Converter(("text",), build)


def _choose(value: pl.Expr, numbers: Mapping[str, int], other: int | None = None) -> pl.Expr:
    """Each name's number; `other` for any other name, null for none."""
    chosen = value.replace_strict(numbers, default=other, return_dtype=pl.Int16)
    return chosen if other is None else pl.when(value.is_not_null()).then(chosen)


def _enum(other: int | None = None, **numbers: int) -> Converter:
    return _text(lambda value: _choose(value, numbers, other))


def _success(flag: pl.Expr) -> pl.Expr:
    return pl.when(flag).then(1).when(~flag).then(2)


def _good(*names: str) -> Converter:
    return _text(lambda value: _success(value.is_in(names)))


def _pick(flag: pl.Expr, yes: pl.Expr, no: pl.Expr) -> pl.Expr:
    """`no` where the flag is false, `yes` where it is true or not said."""
    return pl.when(flag.eq_missing(False)).then(no).otherwise(yes)


def _conn_status(state: pl.Expr, proto: pl.Expr) -> pl.Expr:
    """For TCP only: a datagram without an answer is not a failure."""
    failed = state.is_in(("S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"))
    return pl.when((proto == "tcp") & (state != "OTH")).then(pl.lit(1, dtype=pl.Int8) + failed)


def _conn_direction(orig: pl.Expr, resp: pl.Expr) -> pl.Expr:
    """1 inbound, 2 outbound, 3 lateral: one bit for each end that is local. Null where either is not said, or both are elsewhere."""
    local = orig.cast(pl.Int8) * 2 + resp.cast(pl.Int8)
    return pl.when(local > 0).then(local)


def _reply(code: pl.Expr) -> pl.Expr:
    """Replies of HTTP, FTP and SMTP: 400 and above is a failure."""
    return pl.when(code > 0).then(_success(code < 400))


def _share_file(share: pl.Expr, name: pl.Expr) -> pl.Expr:
    return pl.concat_str([pl.concat_str([share.str.strip_chars_end("\\"), pl.lit("\\")]).fill_null(""), name])


def _mail(*values: pl.Expr) -> pl.Expr:
    """The address of `Name <address>`; of a name alone itself."""
    text = pl.coalesce(*values)
    return pl.coalesce(text.str.extract(r"<([^<>]+)>"), pl.when(text != "<>").then(text))


def _rdp_status(result: pl.Expr) -> pl.Expr:
    """ "encrypted" tells that the sensor could not see how it ended."""
    return pl.when(result != "encrypted").then(_success(result == "Success"))


CONVERTERS: dict[str, Converter] = {
    "us": Converter(("real",), lambda seconds: (seconds * 1e6).round().cast(pl.Int64, strict=False)),
    "items": Converter(("list",), lambda items: items),
    "any": _text(lambda *values: pl.coalesce(*values)),
    "lower": _text(lambda value: value.str.to_lowercase()),
    "last_name": _text(lambda value: value.str.extract(r"([^:]+)$").str.to_lowercase()),
    "first_name": _text(lambda value: value.str.extract(r"^([^:]+)::").str.to_lowercase()),
    "before_realm": _text(lambda value: value.str.extract(r"^([^/]+(?:/[^/]+)*?)(?:/[^/]*)?$")),  # of HTTP/web.corp/CORP HTTP/web.corp
    "after_slash": _text(lambda value: value.str.extract(r"/([^/]+)$")),
    "where": Converter(("flag", "int"), lambda flag, value: pl.when(flag).then(value)),
    "where_not": Converter(("flag", "int"), lambda flag, value: pl.when(~flag).then(value)),
    "success": Converter(("flag",), _success),
    "reply": Converter(("int",), _reply),
    "mail": _text(_mail),
    "mail_reply": _text(lambda text: _reply(text.str.extract(r"^(\d{3})").cast(pl.Int64))),
    "conn_activity": _enum(SF=2, S1=2, S2=2, S3=2, RSTO=3, RSTR=3, RSTOS0=3, RSTRH=3, S0=4, SH=4, SHR=4, REJ=5, OTH=6),
    "conn_status": _text(_conn_status),
    "conn_direction": Converter(("flag",), _conn_direction),
    "ssh_direction": _enum(INBOUND=1, OUTBOUND=2),
    "dns_status": _good("NOERROR"),
    "http_activity": _enum(99, CONNECT=1, DELETE=2, GET=3, HEAD=4, OPTIONS=5, POST=6, PUT=7, TRACE=8),
    "ftp_activity": _enum(99, STOR=1, APPE=1, STOU=1, RETR=2, DELE=4, RNFR=5, RNTO=5, LIST=6, NLST=6),
    "smb_activity": _text(lambda action: _choose(action, {"SMB::FILE_OPEN": 2}, 99)),
    "share_file": _text(_share_file),
    "file_activity": Converter(("flag",), lambda is_orig: _success(is_orig)),  # 1 upload, 2 download
    "file_orig": Converter(("text", "text", "flag", "text"), lambda sender, receiver, is_orig, known: pl.coalesce(
        _pick(is_orig, sender, receiver), known)),
    "file_resp": Converter(("text", "text", "flag", "text"), lambda sender, receiver, is_orig, known: pl.coalesce(
        _pick(is_orig, receiver, sender), known)),
    "rdp_status": _text(_rdp_status),
    "kerberos_activity": _enum(99, AS=3, TGS=4),
    "ldap_status": _text(lambda result: pl.when(result != "SASL bind in progress").then(
        _success(result.is_in(("success", "compare true", "compare false"))))),
    "mqtt_status": _good("Connection Accepted"),
    "smb_status": _text(lambda status: pl.when(status != "MORE_PROCESSING_REQUIRED").then(_success(status == "SUCCESS"))),
    "failed": _text(lambda error: pl.when(error.is_not_null()).then(2)),
    "login_name": _text(lambda command, argument: pl.when(command == "login").then(argument)),
    "tls_proto": _text(lambda version: pl.when(version.str.starts_with("DTLS")).then(pl.lit("udp")).otherwise(pl.lit("tcp"))),
    "ssh_country": _text(lambda direction, country: pl.when(direction == "INBOUND").then(country)),
    "alert_severity": Converter(("int",), lambda severity: pl.when(severity.is_between(1, 4)).then(5 - severity)),
    "radius_status": _good("success"),
    "socks_status": _good("succeeded"),
    "seen_hash": _text(lambda kind, value: pl.when(kind == "Intel::FILE_HASH").then(value.str.to_lowercase())),
    "bind_name": _text(lambda opcode, name: pl.when(opcode.str.starts_with("bind")).then(name)),
    "bind_method": _text(lambda opcode: opcode.str.extract(r"^bind (\w+)")),
    "dhcp_activity": Converter(("list",), lambda kinds: _choose(kinds.list.last(), {
        "DISCOVER": 1, "OFFER": 2, "REQUEST": 3, "DECLINE": 4, "ACK": 5, "NAK": 6, "RELEASE": 7, "INFORM": 8}, 99)),
    "tunnel_activity": _text(lambda action: _choose(action, {"Tunnel::DISCOVER": 1, "Tunnel::CLOSE": 2}, 99)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe taken apart: `converter` is None for a plain field or a constant."""

    converter: Converter | None
    fields: tuple[str, ...]
    constant: str | None = None


def recipe(text: str) -> Recipe:
    """`field`, `converter(field, ...)` or `=constant`. KeyError for a converter that isn't there."""
    if text.startswith("="):
        return Recipe(None, (), text[1:])
    name, bracket, inside = text.partition("(")
    return Recipe(CONVERTERS[name], tuple(inside.rstrip(")").split(", "))) if bracket else Recipe(None, (name,))


@lru_cache(maxsize=256)
def plan(path: str | None, fields: Fields, marks: Marks | None = None) -> tuple[pl.Expr, ...]:
    """The expressions of every event column that a log with these fields can fill; `channel`, `op` and `class_uid` among them.

    Without `marks` the fields are columns of their kinds' types, with them cells as they stand in the log.
    """
    log, kinds = log_of(path), dict(fields)
    exprs = {"class_uid": pl.lit(log.class_uid, dtype=pl.Int32), **{column: pl.lit(path, dtype=pl.String) for column in ("channel", "op")}}
    for column, text in {**CONNECTION, **log.columns}.items():
        expr = _column(column, recipe(text), kinds, marks)
        if expr is not None:
            expr = pl.coalesce(expr, exprs[column]) if column == "op" else expr  # what it did, or else just which log it is
            exprs[column] = expr.cast(SCHEMA[column], strict=False)
    return tuple(expr.alias(column) for column, expr in exprs.items())


def cell(name: str, kind: str, marks: Marks | None) -> pl.Expr:
    """A field as a value of its kind. Unset cells are null already, and cells of numbers have been read as such."""
    text = pl.col(name)
    if marks is None or kind in ("int", "real"):
        return text
    if kind == "flag":
        return pl.when(text == "T").then(True).when(text == "F").then(False)
    empty, full = pl.lit(""), text
    if kind == "list":
        empty, full = pl.lit(pl.Series([[]], dtype=pl.List(pl.String))).first(), text.str.split(marks.set)
    return full if marks.empty is None else pl.when(text == marks.empty).then(empty).otherwise(full)


@lru_cache(maxsize=256)
def needed(path: str | None) -> tuple[str, ...]:
    """All fields that the recipes of a log name."""
    recipes = {**CONNECTION, **log_of(path).columns}.values()
    return tuple(dict.fromkeys(name for text in recipes for name in recipe(text).fields))


@lru_cache(maxsize=1024)
def natural(path: str | None, name: str) -> str:
    """The kind that Zeek's JSON writes a field in: that of the first recipe which asks for something else than text."""
    for column, text in {**CONNECTION, **log_of(path).columns}.items():
        made = recipe(text)
        wanted = made.converter.kinds if made.converter else (_kind(SCHEMA[column]),)
        asked = [wanted[min(at, len(wanted) - 1)] for at, its in enumerate(made.fields) if its == name]
        if asked and asked[0] != "text":
            return asked[0]
    return "list" if name in LISTS else "int" if name in NUMBERS else "text"


@lru_cache(maxsize=256)
def taken(path: str | None) -> frozenset[str]:
    """The fields that `ext` leaves out: ts and uid, `_path` (put there first), and in a lean log all that columns hold."""
    return frozenset({"ts", "uid", "_path", *(needed(path) if log_of(path).lean else ())})


def _column(column: str, made: Recipe, kinds: Mapping[str, str], marks: Marks | None) -> pl.Expr | None:
    if made.constant is not None:
        return pl.lit(made.constant)
    if not any(name in kinds for name in made.fields):
        return None
    if made.converter is None:
        return _as(made.fields[0], kinds, _kind(SCHEMA[column]), marks)
    wanted = made.converter.kinds
    return made.converter.build(*(_as(name, kinds, wanted[min(at, len(wanted) - 1)], marks) for at, name in enumerate(made.fields)))


def _kind(dtype: pl.DataType) -> str:
    return "int" if dtype.is_integer() else next(kind for kind, its in DTYPES.items() if its == dtype)


def _as(name: str, kinds: Mapping[str, str], wanted: str, marks: Marks | None) -> pl.Expr:
    """A field as another kind: of a list the first item, of one item a list, of T/F and true/false a flag; null where it isn't there."""
    kind = kinds.get(name)
    if kind is None:
        return pl.lit(None, dtype=DTYPES[wanted])
    expr = cell(name, kind, marks)
    if kind == wanted:
        return expr
    if kind == "list":
        expr, kind = expr.list.first(), "text"
    if wanted == "list":
        return pl.when(expr.is_not_null()).then(pl.concat_list(expr.cast(pl.String)))
    if wanted == "flag":
        return flag(expr.cast(pl.String))
    return expr.cast(DTYPES[wanted], strict=False)


def flag(text: pl.Expr) -> pl.Expr:
    """T/F and true/false as a boolean; anything else is null."""
    yes, no = (reduce(or_, (text == word for word in words)) for words in (("T", "true"), ("F", "false")))
    return pl.when(yes).then(True).when(no).then(False)
