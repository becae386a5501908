"""JSON text of nested OCSF objects, built column by column: a leaf is a column of `"name":value`, an object joins its parts.

An object that lacks what OCSF requires of it is left out as a whole (null); the caller then puts its columns elsewhere. No Python object
is made for an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

Needs = Callable[[dict[str, pl.Expr]], pl.Expr]
"""From which parts are there (name -> boolean) to whether the object may be written."""


def _all(*names: str) -> Needs:
    return lambda there: pl.all_horizontal(*(there.get(name, pl.lit(False)) for name in names))


def _any(*names: str) -> Needs:
    return lambda there: pl.any_horizontal(*(there.get(name, pl.lit(False)) for name in names))


_ENDPOINT = _any("ip", "hostname", "name", "uid")
NEEDS: dict[str, Needs] = {
    "user": _any("name", "uid"), "process": _any("pid", "uid"), "parent_process": _any("pid", "uid"), "file": _all("name"),
    "service_file": _all("name"), "query": _all("hostname"), "src_endpoint": _ENDPOINT, "dst_endpoint": _ENDPOINT,
    "device": _any("hostname", "uid"), "cloud": _all("provider"), "api": _all("operation"), "service": _all("name"),
    "url": _any("path", "url_string"), "http_response": _all("code"), "tls": _all("version"), "win_service": _all("name"),
    "job": _all("name"), "group": _all("name"), "reg_value": _all("path", "name"), "reg_key": _all("path"),
    "finding_info": _all("uid"), "win_resource": _all("name"), "script": _all("script_content"),
}  # fmt: skip
"""What OCSF 1.8 requires of an object, for those where columns may fail to give it."""

CONSTANTS: dict[str, str] = {
    "device": '"type_id":0', "module": '"load_type_id":0', "win_service": '"service_type_id":0', "win_resource": '"type_id":0',
    "script": '"type_id":0',
}  # fmt: skip
"""Required enumerations that no column tells: 0 is OCSF's own "Unknown"."""


@dataclass(slots=True)
class Node:
    """An object. `column` is where its text stands once rendered."""

    name: str
    column: str
    is_list: bool = False
    leaves: dict[str, str] = field(default_factory=dict)  # name -> column of `"name":value`
    nodes: dict[str, Node] = field(default_factory=dict)

    def child(self, segment: str) -> Node:
        """The object at a path segment, made where it is not there yet."""
        name = segment.removesuffix("[]")
        if name not in self.nodes:
            self.nodes[name] = Node(name, f"{self.column}.{name}", segment.endswith("[]"))
        return self.nodes[name]

    def expr(self) -> pl.Expr:
        """`"name":{...}` where the object may be written, else null. The columns of its parts must be there."""
        parts = self.parts()
        there = {name: pl.col(column).is_not_null() for name, column in parts.items()}
        needs = NEEDS.get(self.name)
        may = needs(there) if needs else pl.any_horizontal(*there.values())
        body = pl.concat_str([pl.col(part) for part in parts.values()], separator=",", ignore_nulls=True)
        constant = CONSTANTS.get(self.name)
        start, end = ("[{", "}]") if self.is_list else ("{", "}")
        head = f'"{self.name}":{start}' + (f"{constant}," if constant else "")
        return pl.when(may).then(pl.concat_str([pl.lit(head), body, pl.lit(end)])).alias(self.column)

    def parts(self) -> dict[str, str]:
        """Column of each part, by name: the order must not depend on which columns the events beside it fill."""
        return dict(sorted((self.leaves | {name: node.column for name, node in self.nodes.items()}).items()))

    def levels(self) -> Iterator[tuple[int, Node]]:
        """All objects below, with their depth."""
        for node in self.nodes.values():
            yield node.column.count("."), node
            yield from node.levels()


def render(frame: pl.DataFrame, root: Node) -> pl.DataFrame:
    """`frame` with the text of every object below `root`, the innermost first, since the outer ones are made of them."""
    found = list(root.levels())
    for depth in sorted({depth for depth, _ in found}, reverse=True):
        frame = frame.with_columns(node.expr() for at, node in found if at == depth)
    return frame


def member(name: str, value: pl.Expr) -> pl.Expr:
    """`"name":value` of a text column, escaped as JSON wants it; null stays null."""
    text = pl.struct(value.alias(name)).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")
    return pl.when(value.is_not_null()).then(text)


def number(name: str, value: pl.Expr) -> pl.Expr:
    """`"name":value` of an integer column; null stays null."""
    return pl.concat_str([pl.lit(f'"{name}":'), value.cast(pl.String)])


def flag(name: str, value: pl.Expr) -> pl.Expr:
    """`"name":true` or `false`; null stays null."""
    return pl.when(value).then(pl.lit(f'"{name}":true')).when(~value).then(pl.lit(f'"{name}":false'))


def quoted(value: pl.Expr) -> pl.Expr:
    """A text column as JSON strings; null stays null."""
    return member("", value).str.strip_prefix('"":')
