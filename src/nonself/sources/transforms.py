"""What a mapping can turn a text into (`as = "..."`): each an expression over a column of text, null where the text doesn't fit."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

import polars as pl


def _tail(value: pl.Expr) -> pl.Expr:
    return value.str.extract(r"([^/:\\]*)$")


_IP = r"^(?:::ffff:)?\[?([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,45})\]?(?::[0-9]+|%\w+)?$"
_PLAIN_IP = r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$"


_LONG_IP6 = r"^(?:[0-9A-Fa-f]{0,4}:)*(?:0[0-9A-Fa-f]{1,3}|0:0|[0-9a-f]{0,3}[A-F][0-9A-Fa-f]{0,3})(?::[0-9A-Fa-f]{0,4})*$"


def _ip(value: pl.Series) -> pl.Series:
    """Addresses, without port, zone and brackets. To cut something out costs five times as much as to see that nothing need be."""
    odd = (~value.str.contains(_PLAIN_IP)).arg_true()
    return value.clone().scatter(odd, value.gather(odd).str.extract(_IP)) if len(odd) else value


def _short(value: pl.Series) -> pl.Series:
    """Addresses of IPv6 as RFC 5952 writes them, so that one host has one name: a sensor that writes every zero gives it another."""
    long = value.unique().drop_nulls()
    long = long.filter(long.str.contains(_LONG_IP6))
    return value.replace(long, pl.Series([_shortened(text) for text in long], dtype=pl.String)) if len(long) else value


def _shortened(text: str) -> str:
    try:
        address = IPv6Address(text)
        return str(address.ipv4_mapped or address)
    except ValueError:
        return text


def _addresses(value: pl.Expr) -> pl.Expr:
    return value.map_batches(_ip, return_dtype=pl.String, is_elementwise=True)


def _json_ip(value: pl.Expr) -> pl.Expr:
    return pl.coalesce(value.str.extract(r'"ip_address"\s*:\s*"([^"]*)"'), value)


def _single(value: pl.Expr) -> pl.Expr:
    doubled = value.str.contains(r"[^\\]\\\\[^\\]") & ~value.str.contains(r"[^\\]\\[^\\]")
    return pl.when(doubled).then(value.str.replace_all("\\\\", "\\", literal=True)).otherwise(value)


TRANSFORMS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "lower": lambda value: value.str.to_lowercase(),
    "upper": lambda value: value.str.to_uppercase(),
    "first": lambda value: value.str.extract(r"^([^./:]*)"),  # before the first . / or :
    "tail": _tail,  # after the last / : or backslash
    "short_ip": lambda value: value.map_batches(lambda written: _short(_ip(written)), return_dtype=pl.String, is_elementwise=True),
    "ip": _addresses,
    "json_ip": lambda value: _addresses(_json_ip(value)),  # an address, or that of `ip_address` in JSON text
    "not_ip": lambda value: pl.when(~value.str.contains(r"^[0-9.]+$|^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*$")).then(value),
    "name": lambda value: value.str.replace(r"(.)\.$", "${1}"),  # of DNS, without the dot of the root
    "bracketed": lambda value: value.str.extract(r"([^()]*)\)?$"),  # A of 1 (A), and of A
    "plain": lambda value: pl.when(~value.str.contains(r"^[\[{]")).then(value),  # no object or list written as JSON
    "unquoted": lambda value: value.str.strip_chars('"'),  # JSON text within text
    "url_host": lambda value: value.str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?\[?([^/:?#\]]+)"),
    "url_path": lambda value: value.str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*([/?].*)$"),
    "mail_user": lambda value: value.str.extract(r"^([^@]*)"),
    "mail_domain": lambda value: value.str.extract(r"@([^@]*)$"),
    "mail": lambda value: value.str.extract(r"^[<\s]*([^<>\s](?:[^>]*[^>\s])?)"),  # an address without its brackets
    "account": lambda value: value.str.extract(r"([^\\]*)$"),  # user of DOMAIN\user
    "account_domain": lambda value: value.str.extract(r"^([^\\]*)\\"),
    "arn_account": lambda value: value.str.extract(r"^arn:[^:]*:[^:]*:[^:]*:(\d{12}):"),
    "arn_region": lambda value: value.str.extract(r"^arn:[^:]*:[^:]*:([^:]+):"),
    "http_outcome": lambda value: value.str.replace(r"^[1-3]\d\d$", "success").str.replace(r"^[45]\d\d$", "failure"),
    "single": _single,  # a path whose backslashes were written twice
    "hash": lambda value: value.str.extract(r"([0-9A-Fa-f:]{32,})").str.replace_all(":", "").str.to_lowercase(),
}
