"""Entities as a pure function of the event columns: who and what an event is about, by stable names such as `host:ws5`.

A *role* says how an entity takes part (the actor's `user`, the `tgt_user`, the `dst_ip`); a *kind* says what it is. Two sources that
speak of the same thing must give the same name, so names are lower-cased, hosts lose their domain, and names that mean something
different on every machine (SYSTEM, a logon id, a pid) carry the machine's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

KINDS: tuple[str, ...] = ("user", "host", "ip", "domain", "process", "file", "hash", "cred", "resource", "role")

_LOCAL_ACCOUNTS = (
    "system", "local service", "network service", "anonymous logon", "root", "administrator", "guest",
    "defaultaccount", "iusr", "lokaler dienst", "netzwerkdienst", "système", "sistema",
)  # fmt: skip
"""Accounts that exist on every machine: the same name is not the same account."""
_LOCAL_PREFIXES = ("dwm-", "umfd-")
_NO_NAME = ("", "-", "n/a", "(null)", "null", "none", "unknown", "localhost", "%%1793")
_ANYWHERE = r"^(127\.|0\.|169\.254\.|22[4-9]\.|23\d\.|255\.|::1?$|0:0:0:0:0:0:0:[01]$|fe80:|ff[0-9a-f]{2}:)"
"""Addresses that name no one machine: loopback, unspecified, link-local, multicast, broadcast."""


@dataclass(frozen=True, slots=True)
class Role:
    """How an entity takes part in an event: `expr` gives its name, or null where the event has none."""

    name: str
    kind: str
    expr: pl.Expr


def _text(column: str) -> pl.Expr:
    value = pl.col(column).str.to_lowercase().str.strip_chars()
    return pl.when(value.is_in(_NO_NAME)).then(None).otherwise(value)


def _tag(kind: str, value: pl.Expr) -> pl.Expr:
    """The name, or null where there is none to give."""
    return pl.when(value.str.len_bytes() > 0).then(pl.concat_str([pl.lit(kind + ":"), value]))


def _short(column: str) -> pl.Expr:
    """Host name without its domain; an address stays whole."""
    value = _text(column).str.strip_chars(".")
    return pl.when(value.str.contains(r"^[0-9.]+$|:")).then(value).otherwise(value.str.split(".").list.first())


def host(column: str = "host") -> pl.Expr:
    """`host:` entity of a column that holds a machine's name."""
    return _tag("host", _short(column))


def user(name: str = "user", domain: str = "user_domain") -> pl.Expr:
    """`user:` entity of a name and domain column: `user:corp\\ann`, `user:ann@site.org`, `user:system@ws5`.

    A Windows domain is cut to its first label, so that `CORP` and `corp.example` agree.
    """
    who, where = _text(name), _text(domain).str.split(".").list.first()
    is_local = who.is_in(_LOCAL_ACCOUNTS) | pl.any_horizontal(who.str.starts_with(p) for p in _LOCAL_PREFIXES)
    local = pl.concat_str([who, pl.concat_str([pl.lit("@"), _short("host")]).fill_null("")])
    full = pl.when(who.str.contains("@", literal=True)).then(who).otherwise(
        pl.concat_str([pl.concat_str([where, pl.lit("\\")]).fill_null(""), who])
    )  # fmt: skip
    return _tag("user", pl.when(is_local).then(local).otherwise(full))


def ip(column: str) -> pl.Expr:
    """`ip:` entity of an address column; loopback, link-local, multicast and broadcast name no one machine and give null."""
    value = _text(column).str.replace(r"^::ffff:", "")
    return _tag("ip", pl.when(value.str.contains(_ANYWHERE)).then(None).otherwise(value))


def domain(column: str) -> pl.Expr:
    """`domain:` entity of a DNS name column, without the trailing dot; addresses and single labels give null."""
    value = _text(column).str.strip_chars_end(".").str.replace(r":\d+$", "")
    named = value.str.contains(".", literal=True) & ~value.str.contains(r"^[0-9.]+$|:")
    return _tag("domain", pl.when(named).then(value).otherwise(None))


def _process(guid: str) -> pl.Expr:
    return _tag("process", _text(guid).str.strip_chars("{}"))


def _cred() -> pl.Expr:
    """Access keys and tokens are unique by themselves; the Windows logon sessions of SYSTEM and the services are not."""
    return _tag("cred", _text("cred"))


ROLES: tuple[Role, ...] = (
    Role("user", "user", user()),
    Role("tgt_user", "user", user("tgt_user", "tgt_domain")),
    Role("host", "host", host()),
    Role("src_host", "host", host("src_host")),
    Role("dst_host", "host", host("dst_host")),
    Role("src_ip", "ip", ip("src_ip")),
    Role("dst_ip", "ip", ip("dst_ip")),
    Role("query", "domain", domain("query")),
    Role("url_host", "domain", domain("url_host")),
    Role("sni", "domain", domain("sni")),
    Role("process", "process", _process("proc_guid")),
    Role("parent", "process", _process("parent_guid")),
    Role("tgt_process", "process", _process("tgt_guid")),
    Role("file", "file", _tag("file", _text("file_path"))),
    Role("hash", "hash", _tag("hash", _text("hash"))),
    Role("cred", "cred", _cred()),
    Role("resource", "resource", _tag("resource", _text("resource"))),
    Role("assumed_role", "role", _tag("role", _text("role"))),
)
BY_ROLE: dict[str, Role] = {role.name: role for role in ROLES}


def entity(role: str) -> pl.Expr:
    """The expression that names the entity in `role`; KeyError for a role that `ROLES` does not hold."""
    return BY_ROLE[role].expr


def entities(events: pl.DataFrame, roles: tuple[str, ...] | None = None) -> pl.DataFrame:
    """All entities of `events` in long form: columns uid, role, entity; one row per event and role that is not null.

    The graph's edge list comes from here: two entities of the same uid are adjacent.
    """
    silent = {column.name for column in events.get_columns() if column.null_count() == column.len()}
    asked = [BY_ROLE[name] for name in roles] if roles else list(ROLES)
    chosen = [role for role in asked if not silent.issuperset(_roots(role.name))] or asked[:1]
    wide = events.select("uid", *(role.expr.alias(role.name) for role in chosen))
    return wide.unpivot(index="uid", variable_name="role", value_name="entity").drop_nulls("entity")


@cache
def _roots(role: str) -> tuple[str, ...]:
    """The columns that the entity of a role is made of."""
    return tuple(BY_ROLE[role].expr.meta.root_names())


def kind(name: str) -> str:
    """The kind of an entity's name: `kind("host:ws5") == "host"`."""
    return name.partition(":")[0]
