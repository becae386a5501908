"""Threat intelligence: lists of indicators matched against event columns. Each indicator is a rule, so that its hits are calibrated by how
often they come *here*, and join into incidents with everything else.

Values are compared in one form: names in lower case, a domain with all names under it, an address with the ranges it lies in, a URL as host
and path. Everything is worked out on distinct values; an event is looked at only where one of its values is listed.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nonself.core.enrich import address
from nonself.core.events import Events
from nonself.core.scores import EVIDENCE, Delta
from nonself.detect import intel_lists, intel_values
from nonself.detect.alerts import Alert, about
from nonself.detect.intel_lists import LEVELS, MAX_INDICATORS, Indicator
from nonself.detect.intel_values import KINDS
from nonself.detect.sigma import hits

_FIELDS: dict[str, tuple[str, ...]] = {
    "ip": ("src_ip", "dst_ip", "answers", "url_host"),
    "cidr": ("src_ip", "dst_ip", "answers", "url_host"),
    "domain": ("query", "url_host", "sni", "dst_host", "src_host", "answers"),
    "url": ("url",),
    "hash": ("hash",),
    "user": ("user", "tgt_user"),
    "ja3": ("ja3",),
}
"""Kind of indicator -> columns it is looked for in; `url` is made of url_host and url_path, `hash` of all hashes a record holds."""
_HASHES = r"\b(?:[0-9A-Fa-f]{128}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})\b"
_LABELS = 12
"""Labels of a name that are compared, from its end."""
_MAX_RULE = 256


class Intel:
    """Lists of indicators, ready to be matched.

    names     of the lists
    count     indicators held
    refused   (list, reason) -> entries that were refused
    """

    def __init__(self, lists: Sequence[intel_lists.Listed]) -> None:
        self.names = tuple(listed.name for listed in lists)
        self.refused: Counter[tuple[str, str]] = Counter()
        for listed in lists:
            self.refused.update({(listed.name, reason): n for reason, n in listed.refused.items()})
        rows = [(listed.name, indicator) for listed in lists for indicator in listed.indicators]
        self.count = len(rows)
        self._rules = pl.DataFrame(
            {
                "list": pl.Series([name for name, _ in rows], dtype=pl.String),
                "rule": pl.Series([_rule(name, indicator) for name, indicator in rows], dtype=pl.String),
                "note": pl.Series([indicator.note for _, indicator in rows], dtype=pl.String),
                "level": pl.Series([LEVELS.index(indicator.level) for _, indicator in rows], dtype=pl.Int8),
                "parts": pl.Series([len(indicator.atoms) for _, indicator in rows], dtype=pl.Int32),
            }
        ).with_row_index("number")
        atoms = [
            (kind, value, number, part)
            for number, (_, one) in enumerate(rows)
            for part, (kind, value) in enumerate(dict.fromkeys(one.atoms))
        ]
        columns = list(zip(*atoms, strict=True)) or [(), (), (), ()]
        types = (pl.Enum(KINDS), pl.String(), pl.UInt32(), pl.Int32())
        names = ("kind", "key", "number", "part")
        table = pl.DataFrame([pl.Series(name, values, dtype=dtype) for name, values, dtype in zip(names, columns, types, strict=True)])
        # Sorted, since few of a batch's values are listed: looking each up costs less than a join, which reads the whole list every time.
        self._atoms = {str(kind): part.drop("kind").sort("key", "number", "part") for (kind,), part in table.group_by("kind")}
        self._prefixes = _prefixes(self._atoms.get("cidr"))

    def match(self, events: Events) -> Delta:
        """The indicators met in `events`: a frame of `sigma.hits.HITS`, one row per indicator, entity and hour, in canonical form."""
        found = [self._met(events, kind, column) for kind in KINDS if kind in self._atoms for column in _FIELDS[kind]]
        met = pl.concat([part for part in found if part.height]) if any(part.height for part in found) else None
        if met is None:
            return hits.empty()
        met = met.join(self._rules, on="number", how="left", maintain_order="left")
        whole = pl.col("part").n_unique().over("row", "number") == pl.col("parts")
        met = met.filter(whole).sort("row", "rule", "part", "field", "value").unique(["row", "rule", "field", "value"], maintain_order=True)
        return _hits(events, met) if met.height else hits.empty()

    @staticmethod
    def rules(found: Delta) -> dict[str, Alert]:
        """The indicators in `found` as rules, by id; made of the hits alone, so that they outlive the list."""
        first = found.sort("start", *hits.KEY, nulls_last=True).unique("rule", keep="first", maintain_order=True)
        return {rule: _about(rule, matched or []) for rule, matched in first.select("rule", "matched").iter_rows()}

    def _met(self, events: Events, kind: str, column: str) -> pl.DataFrame:
        """Rows whose value in a column is listed: row, number, part, field, value."""
        values = _values(events, column)
        distinct = values["value"].unique()
        listed = _listed(self._keys(kind, distinct), self._atoms[kind])
        return values.join(listed, on="value").select("row", "number", "part", pl.lit(column).alias("field"), "value")

    def _keys(self, kind: str, distinct: pl.Series) -> pl.DataFrame:
        """The forms in which each value is compared: columns value, key."""
        if kind in ("hash", "user", "ja3"):
            return pl.DataFrame([distinct, distinct.str.to_lowercase().alias("key")])
        texts = distinct.to_list()
        if kind == "domain":
            pairs = [(text, key) for text in texts for key in _parents(text)]
        elif kind == "url":
            pairs = [(text, key) for text in texts for key in _urls(text)]
        else:
            pairs = [(text, key) for text in texts for key in (_written(text) if kind == "ip" else self._networks(text))]
        return pl.DataFrame(pairs, schema={"value": pl.String, "key": pl.String}, orient="row")

    def _networks(self, text: str) -> list[str]:
        """The ranges of the listed lengths that an address lies in, as they are written."""
        found = address(text)
        if found is None:
            return []
        number, bits = int(found), found.max_prefixlen
        kind = ipaddress.IPv4Address if found.version == 4 else ipaddress.IPv6Address
        return [f"{kind(number >> bits - length << bits - length)}/{length}" for length in self._prefixes[found.version]]


def load(paths: Sequence[Path]) -> Intel:
    """All lists; together they hold at most MAX_INDICATORS. ConfigError where a file can't be read at all."""
    lists, room = [], MAX_INDICATORS
    for path in paths:
        lists.append(intel_lists.read(path, room))
        room -= len(lists[-1].indicators)
    return Intel(lists)


def _rule(name: str, indicator: Indicator) -> str:
    return f"{name}:{' AND '.join(value for _, value in indicator.atoms)}"[:_MAX_RULE]


def _about(rule: str, matched: list[dict[str, str]]) -> Alert:
    told = {item["field"]: item["value"] for item in matched}
    name, _, indicator = rule.partition(":")
    note = f": {told['described as']}" if told.get("described as") else ""
    return Alert(rule, f"{indicator} is on the list {name}{note}", told.get("level", "high"), (), (), name, name)


def _prefixes(ranges: pl.DataFrame | None) -> dict[int, list[int]]:
    """By version of IP, how long the listed ranges' prefixes are."""
    found: dict[int, set[int]] = {4: set(), 6: set()}
    for key in ranges["key"] if ranges is not None else ():
        text, _, length = key.partition("/")
        found[6 if ":" in text else 4].add(int(length))
    return {version: sorted(lengths) for version, lengths in found.items()}


def _listed(keys: pl.DataFrame, atoms: pl.DataFrame) -> pl.DataFrame:
    """The values of which a key is among the atoms, with these: value, number, part."""
    known = atoms["key"]
    places = known.search_sorted(keys["key"]).clip(0, known.len() - 1)
    met = keys.filter(known.gather(places) == keys["key"])
    return met.join(atoms if met.height else atoms.head(0), on="key").select("value", "number", "part")


def _values(events: Events, column: str) -> pl.DataFrame:
    """The values a column holds: row, value; of a list each item."""
    numbered = events.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"), _value(column).alias("value"))
    if isinstance(numbered.schema["value"], pl.List):
        numbered = numbered.filter(pl.col("value").list.len() > 0).explode("value")
    return numbered.drop_nulls("value")


def _value(column: str) -> pl.Expr:
    if column == "url":
        full = pl.col("url_path").str.contains("://", literal=True)
        return pl.when(full).then(pl.col("url_path")).otherwise(pl.concat_str("url_host", pl.col("url_path").fill_null("/")))
    if column == "hash":
        held = pl.coalesce("ext", "raw").str.extract_all(_HASHES)
        return pl.when(pl.col("hash").is_not_null()).then(pl.concat_list(pl.concat_list("hash"), held.fill_null([])).list.unique())
    return pl.col(column)


def _parents(text: str) -> list[str]:
    """A name and all it lies under, the top-level domain left out."""
    labels = text.lower().strip(". ").rsplit(".", _LABELS)
    return [".".join(labels[at:]) for at in range(len(labels) - 1)] if len(text) <= 300 else []


def _written(text: str) -> list[str]:
    """An address as lists have it; of IPv4 there is only one way to write it."""
    if ":" not in text:
        return [text]
    found = address(text)
    return [] if found is None else [str(found)]


def _urls(text: str) -> list[str]:
    """A URL as lists name it, with its query and without."""
    try:
        whole = intel_values.url(text)
    except intel_values.EntryError:
        return []
    return list(dict.fromkeys((whole, whole.partition("?")[0])))


def _hits(events: Events, met: pl.DataFrame) -> Delta:
    """Hits of what was met, counted by rule, entity and hour."""
    rows = met["row"].unique().sort()
    chosen = events.filter(pl.int_range(pl.len(), dtype=pl.UInt32).is_in(rows.implode()))
    facts = hits.facts(chosen, rows).with_columns(chosen.select(about().alias("entity")).to_series())
    told = met.group_by("row", "rule", maintain_order=True).agg(
        pl.struct("field", pl.col("value").str.slice(0, hits.MAX_VALUE)).alias("matched"),
        pl.col("list", "note").first(),
        pl.col("level").max(),
    )
    words = pl.col("level").replace_strict(list(range(len(LEVELS))), list(LEVELS), return_dtype=pl.String)
    said = [
        pl.when(text.str.len_bytes() > 0).then(pl.struct(pl.lit(name).alias("field"), text.alias("value")))
        for name, text in (("list", pl.col("list")), ("described as", pl.col("note")), ("level", words))
    ]
    told = told.with_columns(pl.concat_list("matched", pl.concat_list(said).list.drop_nulls()).alias("matched"))
    joined = told.join(facts, on="row", how="left").sort("time", "uid", "rule", nulls_last=True)
    grouped = joined.group_by(hits.KEY).agg(
        pl.col("class_uid", "matched").first(),
        pl.col("time").min().alias("start"),
        pl.col("time").max().alias("end"),
        pl.len().cast(pl.Int64).alias("n_events"),
        pl.col("uid").head(EVIDENCE).alias("events"),
        pl.col("time").head(EVIDENCE).alias("times"),
        pl.col("entities").explode(keep_nulls=False).unique().sort().head(hits.MAX_ENTITIES),
    )
    return hits.canonical(grouped)
