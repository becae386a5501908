"""What an entity's name says: an address inside or outside, an account that may be a person's."""

from __future__ import annotations

import re

import polars as pl

from nonself.core.entities import kind

_INSIDE = r"^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd][0-9a-f]{2}:|fe80:|::1$)"
_MACHINES = ("system", "local service", "network service")


def outside(column: str) -> pl.Expr:
    """Whether an `ip:` column names an address that is not private."""
    return ~pl.col(column).str.strip_prefix("ip:").str.contains(_INSIDE)


def is_outside(entity: str) -> bool:
    """Whether an entity is an address that is not private."""
    return kind(entity) == "ip" and re.match(_INSIDE, entity.partition(":")[2]) is None


def is_person(entity: str) -> bool:
    """Whether an entity is an account that may be a person's: none of a machine, nor one that every machine has."""
    name = entity.partition(":")[2]
    return kind(entity) == "user" and not name.endswith("$") and name.partition("@")[0].rpartition("\\")[2] not in _MACHINES
