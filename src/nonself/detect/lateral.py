"""The specialist `lateral`: an account that logs on from where others are at home, to where it is not; after somebody new came there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nonself.baseline import pairs, rareness
from nonself.baseline.codes import Floats, Ints, Mask, changes, lengths
from nonself.baseline.keys import SEPARATOR, numbered
from nonself.core.events import Events
from nonself.core.finding import Reason
from nonself.core.scores import SCORES, Delta, Scores
from nonself.detect import example, rows
from nonself.detect.contract import Example
from nonself.detect.names import HERE
from nonself.detect.rare import ROW_BYTES, delta
from nonself.detect.spec import Spec
from nonself.detect.told import private, scores
from nonself.detect.view import View

BACK = 24
"""Hours back in which somebody else's logon to a machine may have to do with a logon from it."""
_LN2 = float(np.log(2.0))


class Lateral:
    """How odd a logon is as a step of somebody who moves: y is not at home where it comes from, it does not go where it goes to, and an
    other account had just come to where it comes from.

    Formula: score = max(O, T - log2(1 + T ln 2)), T = O + min(O, max(R, P) - 1): where it comes from, alone or by Fisher's method together
    with where it goes to or who came before, the odder of the two, which counts as much as the first at most. O = -log2 P(y | source),
    the surprise of y among the accounts that are at home at the source: that log on there without coming from elsewhere, or log on
    elsewhere from there. R = -log2 P(target | y). P = the largest R of another account's logon to the source in the 24 hours before. All
    three are rarity tails as in `rare` (`baseline.rareness`), by hours, the hour itself left out. An address is the machine whose own
    account (`WS5$`) logs on from it, on that day or, failing that, at all. Logons that come from nowhere else, and a machine's own, have
    a score of 0: they are no step.
    Unit: bits. 0 with no history.
    Reference: Ho et al. 2021, "Hopper" (USENIX Security): switched credentials, and access that the path did not have before.
    Cost: four passes over the self's rows (day, y, x).
    Reasons: y at the source; y at the target; who came there before; each its share.
    """

    __slots__ = ("attack", "bytes_per_entity", "classes", "columns", "name", "spec", "title")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name, self.title, self.attack, self.columns = spec.name, spec.title, spec.attack, spec.columns
        self.classes = spec.classes
        self.bytes_per_entity = pairs.X_PER_DAY * ROW_BYTES

    def learn(self, events: Events | View) -> Delta:
        """Columns day, y (account), x (source and target), slots (bit mask of the hours): see `baseline.pairs`."""
        chosen = rows.chosen(events, self.spec, evidence=False)
        return delta(chosen) if chosen else pairs.merge([])

    def merge(self, deltas: list[Delta]) -> Delta:
        """Union of the masks; at most `X_PER_DAY` x per y and day."""
        return pairs.merge(deltas)

    def score(self, events: Events | View, self_: Delta, *, included: bool = False, floor: float = -math.inf) -> Scores:
        """One row per hour, y and x. The hour itself never counts as its own history. Whoever came to a source in the events to be scored
        came there before, whether the self has learnt them or not."""
        chosen = rows.chosen(events, self.spec)
        if chosen is None:
            return pl.DataFrame(schema=_SCORES)
        groups = rows.grouped(chosen.day, chosen.part(chosen.y), chosen.part(chosen.x), chosen.slot)
        steps = self_ if included else pairs.merge([self_, delta(chosen)])
        odd = _odd(pl.DataFrame(rows.named_keys(chosen, self.spec, groups.first)), self_, steps)
        score = odd["score"].to_numpy()
        return scores((chosen, self.spec, groups), score, private(odd.drop("score").rename("_{}".format), self.spec), _SCORES, floor)

    def explain(self, scores: Scores) -> list[tuple[Reason, ...]]:
        """Per row: the source, the target, the way there. Bits add up to the score."""
        return [self._reasons(row) for row in scores.select(*_READ).iter_rows(named=True)]

    def _reasons(self, row: Mapping[str, Any]) -> tuple[Reason, ...]:
        spec, source = self.spec, row["_source"].partition(":")[2] or row["_source"]
        home = f"of {row['_home_n']:,} hours in which accounts were at home on {source}, it was there in {row['_home_c']:,}"
        known = f"it went there in {row['_reach_c']:,} of {row['_reach_n']:,} hours; {row['_reach_others']:,} other {spec.peers} do"
        came = f"{row['_by']} logged on to {source} within {BACK} hours before" if row["_by"] else "nobody unusual came there before"
        return (
            Reason(feature=f"{spec.peer} at the source", seen=row["_what"], normal=home, bits=row["_origin"]),
            Reason(feature=f"{spec.peer} at the target", seen=row["_what"], normal=known, bits=row["_reach"]),
            Reason(feature="way to the source", seen=came, normal="as unusual as that logon was", bits=row["_way"]),
        )

    def example(self) -> Example:
        """Normal and odd events from the content table."""
        return example.build(self.spec)


_PRIVATE: dict[str, pl.DataType] = {
    "_origin": pl.Float64(),
    "_reach": pl.Float64(),
    "_way": pl.Float64(),
    "_source": pl.String(),
    "_home_c": pl.Int64(),
    "_home_n": pl.Int64(),
    "_reach_c": pl.Int64(),
    "_reach_n": pl.Int64(),
    "_reach_others": pl.Int64(),
    "_by": pl.String(),
    "_what": pl.String(),
}
_SCORES = {**SCORES, **_PRIVATE}
_READ = tuple(_PRIVATE)


def _odd(asked: pl.DataFrame, known: Delta, steps: Delta) -> pl.DataFrame:
    """Row for row of `asked` (columns day, slot, y, x): score, and the private columns without the underscore, save what. `known` is the
    history, `steps` that and the events asked about."""
    machines = _machines(steps)
    edges, held = _edges(asked, machines), _edges(known, machines)
    own = pl.concat_str([pl.lit("host:"), pl.col("y").str.strip_suffix("$")]) == pl.col("place")
    local = edges.select((pl.col("source") == HERE) | (own & pl.col("y").str.ends_with("$"))).to_series().to_numpy()
    home = rareness.surprise(edges.select("day", "slot", y="place", x="y"), pairs.canonical(held.select("day", "slots", y="place", x="y")))
    goes = pairs.canonical(held.select("day", "slots", "y", x="target"))
    reach = rareness.surprise(edges.select("day", "slot", "y", x="target"), goes)
    origin = np.where(local, 0.0, home["bits"].to_numpy())
    way, by = _arrivals(edges, held if steps is known else _edges(steps, machines), goes, origin)
    score, parts = _told(origin, reach["bits"].to_numpy(), way)
    columns = {"score": pl.Series(score), "source": edges["place"], "by": by}
    columns |= {name: pl.Series(part) for name, part in zip(("origin", "reach", "way"), parts, strict=True)}
    columns |= {"home_c": home["c"], "home_n": home["n"], "reach_c": reach["c"], "reach_n": reach["n"], "reach_others": reach["others"]}
    return pl.DataFrame(columns)


def _told(origin: Floats, reach: Floats, way: Floats) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """The score, and the shares of the three parts."""
    further = np.minimum(np.maximum(np.maximum(reach, way) - 1.0, 0.0), origin)
    total = origin + further
    more = np.maximum(total - np.log2(1.0 + total * _LN2) - origin, 0.0)
    by_way = way > reach
    return origin + more, (origin, np.where(by_way, 0.0, more), np.where(by_way, more, 0.0))


def _machines(known: pl.DataFrame) -> pl.DataFrame:
    """Which machine an address was (columns day, ip, machine; a null day for any), by the machine accounts that log on from it."""
    own = known.filter(pl.col("y").str.ends_with("$")).with_columns(pl.col("x").str.split(SEPARATOR).list.first().alias("ip"))
    own = own.filter(pl.col("ip").str.starts_with("ip:")).with_columns(n=pl.col("slots").bitwise_count_ones())
    own = own.with_columns(machine=pl.lit("host:") + pl.col("y").str.strip_suffix("$"))
    found = []
    for day in (pl.col("day"), pl.lit(None, pl.Date).alias("day")):
        counts = own.group_by(day, "ip", "machine").agg(pl.col("n").sum()).sort("n", "machine", descending=[True, False])
        found.append(counts.unique(["day", "ip"], keep="first", maintain_order=True).select("day", "ip", "machine"))
    return pl.concat(found)


def _edges(table: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:
    """The table with columns source and target, as machines where their addresses are known, and place: where y is at home."""
    ends = pl.col("x").str.split_exact(SEPARATOR, 1).struct
    split = table.with_columns(source=ends.field("field_0"), target=ends.field("field_1").fill_null(""))
    for end in ("source", "target"):
        same_day = machines.drop_nulls("day").rename({"ip": end, "machine": "now"})
        any_day = machines.filter(pl.col("day").is_null()).select(pl.col("ip").alias(end), pl.col("machine").alias("ever"))
        split = split.join(same_day, on=["day", end], how="left", maintain_order="left").join(
            any_day, on=end, how="left", maintain_order="left"
        )
        split = split.with_columns(pl.coalesce("now", "ever", end).alias(end)).drop("now", "ever")
    here = (pl.col("source") == HERE) | (pl.col("source") == pl.col("target"))
    split = split.with_columns(pl.when(here).then(pl.lit(HERE)).otherwise("source").alias("source"))
    return split.with_columns(pl.when(pl.col("source") == HERE).then("target").otherwise("source").alias("place"))


def _arrivals(edges: pl.DataFrame, held: pl.DataFrame, goes: pl.DataFrame, origin: Floats) -> tuple[Floats, pl.Series]:
    """Per edge: bits of the oddest logon of another account to its source in the hours before, and that account (null for none)."""
    nobody = np.zeros(origin.size), pl.Series([None] * origin.size, dtype=pl.String)
    asked = edges.filter(pl.Series(origin > 0.0))
    days = asked["day"].unique()
    days = pl.concat([days, days.dt.offset_by("-1d")]).unique()
    steps = held.filter((pl.col("source") != HERE) & pl.col("target").is_in(asked["source"].unique().implode()))
    steps = steps.filter(pl.col("day").is_in(days.implode()) & ~pl.col("y").str.ends_with("$"))
    if not asked.height or not steps.height:
        return nobody
    masks = steps["slots"].to_numpy().astype(np.int64)
    each = pl.concat(steps[np.flatnonzero(masks >> h & 1)].with_columns(slot=pl.lit(h, pl.UInt8)) for h in range(24))
    came = rareness.surprise(each.select("day", "slot", "y", x="target"), goes)
    place, account = (numbered(edges[a], came[b]) for a, b in (("source", "x"), ("y", "y")))
    bits, who = _oddest(
        (_hour(edges), place[0], account[0]),
        (_hour(came), place[1], account[1], came["bits"].to_numpy()),
        (edges["source"] != HERE).to_numpy(),
    )
    names = came["y"][np.maximum(who, 0)] if came.height else nobody[1]
    return bits, names.set(pl.Series(bits <= 0.0), None)


def _hour(table: pl.DataFrame) -> Ints:
    day, slot = (part.to_numpy().astype(np.int64) for part in (table["day"].cast(pl.Int32), table["slot"]))
    return np.asarray(day * 24 + slot, dtype=np.int64)


def _oddest(asked: tuple[Ints, Ints, Ints], came: tuple[Ints, Ints, Ints, Floats], remote: Mask) -> tuple[Floats, Ints]:
    """Per asked hour, place and account: the bits of the oddest of the other accounts that came to the place up to `BACK` hours before,
    and its row. Of a place and hour the two oddest accounts are looked at, of which one is another."""
    hour, place, account, bits = came
    order = np.lexsort((-bits, hour, place))
    first = changes(place[order], hour[order])
    best = order[first]
    size = lengths(first, order.size)
    second = np.array([_other(account[order[a : a + n]], order[a : a + n]) for a, n in zip(first, size, strict=True)], np.int64)
    base = int(min(hour.min(), asked[0].min())) - BACK
    key = place[best] * 2**34 + hour[best] - base
    most, who = np.zeros(asked[0].size), np.full(asked[0].size, -1)
    for back in range(BACK + 1):
        wanted = asked[1] * 2**34 + asked[0] - base - back
        at = np.minimum(np.searchsorted(key, wanted), key.size - 1)
        row = np.where(account[best[at]] != asked[2], best[at], second[at])
        value = np.where((key[at] == wanted) & remote & (row >= 0), bits[row], 0.0)
        who = np.where(value > most, row, who)
        most = np.maximum(most, value)
    return most, who


def _other(accounts: Ints, at: Ints) -> int:
    """The first row of another account than the first's; -1 for none."""
    differs = np.flatnonzero(accounts != accounts[0])
    return int(at[differs[0]]) if differs.size else -1
