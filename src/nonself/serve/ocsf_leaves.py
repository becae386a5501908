"""What a column says in an OCSF event: the JSON text of its leaf, and the siblings OCSF asks for beside it.

A value that OCSF would refuse (a port past 65535, an address that is none) gives null here; `serve.ocsf` then keeps it in `unmapped`.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import polars as pl

from nonself.core.schema import SCHEMA
from nonself.serve.ocsf_text import flag, member, number, quoted

Leaf = Callable[[str, pl.Expr], pl.Expr]
"""(attribute name, column) -> column of `"name":value`, null where there is no valid value."""

EMAIL = r"^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$"
_TLS_VERSION = r'"(?:tls\.)?version":"((?:TLS|SSL|DTLS|UNDETERMINED)[^"\\]{0,20})"'
ALGORITHMS = {32: (1, "MD5"), 40: (2, "SHA-1"), 64: (3, "SHA-256"), 128: (4, "SHA-512")}
"""Length of a digest in hex -> OCSF's algorithm; any other is 0, Unknown."""
LOGON_TYPES = (2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13)
"""Windows logon types that OCSF has by the same number. Windows' 0, System, is OCSF's 1."""
AUTH_PROTOCOLS = {"ntlm": 1, "kerberos": 2, "digest": 3, "oauth 2.0": 6, "openid": 4, "saml": 5, "pap": 7, "chap": 8, "eap": 9,
                  "radius": 10, "basic authentication": 11, "ldap": 12}  # fmt: skip
RCODES = {"noerror": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6, "yxrrset": 7,
          "nxrrset": 8, "notauth": 9, "notzone": 10}  # fmt: skip
METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_INTEGRITY = {"untrusted": 1, "low": 2, "medium": 3, "high": 4, "system": 5, "protected": 6}


def _address(name: str, value: pl.Expr) -> pl.Expr:
    """Judged once for each distinct text."""
    return member(name, value.map_batches(_addresses, return_dtype=pl.String, is_elementwise=True))


def _addresses(texts: pl.Series) -> pl.Series:
    valid = pl.Series([text for text in texts.unique().drop_nulls() if len(text) <= 40 and _is_address(text)], dtype=pl.String)
    return texts.zip_with(texts.is_in(valid.implode()), pl.Series([None], dtype=pl.String))


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _ranged(low: int, high: int) -> Leaf:
    return lambda name, value: number(name, pl.when(value.is_between(low, high)).then(value))


def _fingerprint(value: pl.Expr) -> pl.Expr:
    """A fingerprint object of a digest in hex."""
    length = value.str.len_bytes()
    numbers = {size: uid for size, (uid, _) in ALGORITHMS.items()}
    names = {size: name for size, (_, name) in ALGORITHMS.items()}
    return pl.concat_str([
        pl.lit('{"algorithm":"'), length.replace_strict(names, default="Unknown", return_dtype=pl.String), pl.lit('","algorithm_id":'),
        length.replace_strict(numbers, default=0, return_dtype=pl.Int64).cast(pl.String), pl.lit(',"value":'), quoted(value), pl.lit("}"),
    ])  # fmt: skip


def _inside(head: str, tail: str) -> Leaf:
    """The value as a JSON string between two pieces of text, under its name."""
    return lambda name, value: pl.concat_str([pl.lit(f'"{name}":{head}'), quoted(value), pl.lit(tail)])


def _listed(name: str, value: pl.Expr, item: pl.Expr) -> pl.Expr:
    body = pl.concat_str([pl.lit(f'"{name}":['), value.list.eval(item).list.join(","), pl.lit("]")])
    return pl.when(value.list.len() > 0).then(body)


def _answers(name: str, value: pl.Expr) -> pl.Expr:
    one = pl.element().fill_null("")
    return _listed(name, value, pl.concat_str([pl.lit('{"rdata":'), quoted(one), pl.lit("}")]))


def _attacks(name: str, value: pl.Expr) -> pl.Expr:
    """ATT&CK ids by their shape; any other text is a tactic's name."""
    one = pl.element().fill_null("")
    kind = (
        pl.when(one.str.contains(r"^T\d{4}$")).then(pl.lit('{"technique":{"uid":'))
        .when(one.str.contains(r"^T\d{4}\.\d{3}$")).then(pl.lit('{"sub_technique":{"uid":'))
        .when(one.str.contains(r"^TA\d{4}$")).then(pl.lit('{"tactic":{"uid":'))
        .otherwise(pl.lit('{"tactic":{"name":'))
    )  # fmt: skip
    return _listed(name, value, pl.concat_str([kind, quoted(one), pl.lit("}}")]))


def _signatures(name: str, value: pl.Expr) -> pl.Expr:
    """OCSF has no state for what isn't signed: 99, Other, says that the signature is not valid."""
    state = pl.when(value).then(pl.lit('"state":"Valid","state_id":1')).when(~value).then(pl.lit('"state":"Not valid","state_id":99'))
    return pl.concat_str([pl.lit(f'"{name}":[{{"algorithm_id":0,'), state, pl.lit("}]")])


def _named(id_name: str, ids: dict[str, int]) -> Leaf:
    """The source's own word, and OCSF's number for it beside it (99 for words it does not know)."""

    def leaf(name: str, value: pl.Expr) -> pl.Expr:
        known = value.str.to_lowercase().replace_strict(ids, default=99, return_dtype=pl.Int64)
        return pl.concat_str([member(name, value), number(id_name, known)], separator=",")

    return leaf


def _logon_type(name: str, value: pl.Expr) -> pl.Expr:
    return number(name, pl.when(value == 0).then(1).when(value.is_in(LOGON_TYPES)).then(value))


def _score(name: str, value: pl.Expr) -> pl.Expr:
    whole = (value == value.floor()) & (value.abs() < 2**53)
    return number(name, pl.when(whole).then(value).cast(pl.Int64, strict=False))


def _privileges(name: str, value: pl.Expr) -> pl.Expr:
    items = value.str.split(" ").list.eval(quoted(pl.element())).list.join(",")
    return pl.concat_str([pl.lit(f'"{name}":['), items, pl.lit("]")])


def _milliseconds(name: str, value: pl.Expr) -> pl.Expr:
    return number(name, value // 1_000)


_BY_COLUMN: dict[str, Leaf] = {
    "src_ip": _address, "dst_ip": _address, "src_port": _ranged(0, 65535), "dst_port": _ranged(0, 65535), "asn": _ranged(0, 2**32 - 1),
    "direction_id": _ranged(0, 4), "hash": lambda name, value: pl.concat_str([pl.lit(f'"{name}":['), _fingerprint(value), pl.lit("]")]),
    "ja3": _inside('{"algorithm":"MD5","algorithm_id":1,"value":', "}"), "ja4": _inside('[{"type":"JA4","type_id":1,"value":', "}]"),
    "hassh": _inside('{"algorithm":"HASSH","algorithm_id":20,"value":', "}"), "answers": _answers, "tactics": _attacks,
    "signed": _signatures, "auth_protocol": _named("auth_protocol_id", AUTH_PROTOCOLS), "rcode": _named("rcode_id", RCODES),
    "integrity": _named("integrity_id", _INTEGRITY), "logon_type": _logon_type, "score": _score, "duration_us": _milliseconds,
    "http_method": lambda name, value: member(name, pl.when(value.is_in(METHODS)).then(value)),
    "status_id": lambda name, value: number(name, pl.when(value.is_in((0, 1, 2, 99))).then(value)),
}  # fmt: skip


def leaf(column: str, path: str) -> pl.Expr:
    """The text of `column` at `path`."""
    name = path.rsplit(".", 1)[-1]
    value = pl.col(column)
    if path == "privileges":
        return _privileges(name, value)
    if column == "reg_key" and path == "reg_value.path":  # OCSF parts the key from the value's name
        return member("path", value.str.extract(r"^((?s).*)\\"))
    if column in _BY_COLUMN:
        return _BY_COLUMN[column](name, value)
    dtype = SCHEMA[column]
    return flag(name, value) if dtype == pl.Boolean else number(name, value) if dtype.is_integer() else member(name, value)


def base_name(name: str, value: pl.Expr) -> pl.Expr:
    """A file's name from its path of either kind of slash."""
    return member(name, value.str.extract(r"([^/\\]+)[/\\]*$"))


def tls_version() -> pl.Expr:
    """The version the record states; QUIC's TLS is always 1.3 (RFC 9001)."""
    stated = pl.coalesce("ext", "raw").str.extract(_TLS_VERSION)
    asked = pl.col("sni").is_not_null() | pl.col("ja3").is_not_null()
    return pl.when(asked).then(pl.when(pl.col("app_proto") == "quic").then(pl.lit("TLSv1.3")).otherwise(stated))
