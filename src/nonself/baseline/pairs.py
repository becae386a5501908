"""Who has shown what: the mergeable summary of (y, x) pairs, and the predictive probability of the next pair.

A pair is counted once per window (an hour, or a day), so a burst counts once. A delta holds, per day, y and x, a bit mask of the windows
in which y showed x: a union of masks is associative, commutative and idempotent, and one window can be taken out exactly.

Size: at most `X_PER_DAY` values of x are kept for a y and day, the ones whose hashes are smallest. The smallest k of a union are the
smallest k of the smallest k of its parts, so the rule merges, and since the choice does not depend on how often x occurs, the kept ones
are a fair sample of the y's variety. On a day that is full, an x whose hash lies past the kept ones is *unknown*, not new.

The predictive is a two-level Pitman-Yor process (Teh 2006, "A hierarchical Bayesian language model based on Pitman-Yor processes"; the
back-off of Chen & Goodman 1999), read as a tail: not "how probable is this very x" but "how probable is an x at most as usual as this
one", as in the rareness statistic of Das & Schneider 2007 ("Detecting anomalous records in categorical data sets"). The probability of
one x depends on how many there are to choose from: among a thousand equally usual things each is improbable and none is odd.

    P(x|y) = (S_y(c) - d_y K_y(c) + (theta + d_y K_y) P0(x)) / (n_y + theta)
    P0(x)  = (S(m) - d K(m) + (theta + d K)) / (M + theta)

c = c_xy windows in which y showed x; S_y(c), K_y(c) windows and number of the x that y showed at least once and at most c + 1 times (one
window more or less is no difference), both 0 for c = 0; n_y, K_y the same over all of y's x. m is the number of y that ever showed x;
S(m), K(m), M, K are the same sums over the population, counting each y once, so that one chatty y does not make an x usual.
theta = 1: one window's worth of belief in the level above. The discount is d = n1 / K, n1 being the number of x seen once: it is the
consistent estimate for a Pitman-Yor process (Pitman 2006, "Combinatorial Stochastic Processes", 3.3) and turns the novelty mass into
Good-Turing's, (theta + n1) / (n + theta). With no history P = 1 and nothing is surprising; who shows new things all the time is
expected to.
"""

from __future__ import annotations

import polars as pl

from nonself.baseline.keys import hashes, numbered

PAIRS: dict[str, pl.DataType] = {"day": pl.Date(), "y": pl.String(), "x": pl.String(), "slots": pl.UInt32()}
X_PER_DAY = 1_000
THETA = 1.0
_KEYS = ["day", "y", "x"]


def learn(rows: pl.DataFrame) -> pl.DataFrame:
    """The delta of `rows` (columns day, slot (0..31), y, x; one row per event): columns `PAIRS`, canonical."""
    bit = pl.lit(2, pl.UInt32).pow(pl.col("slot")).cast(pl.UInt32).alias("slots")
    return _canonical(rows.select(*_KEYS, bit))


def merge(deltas: list[pl.DataFrame]) -> pl.DataFrame:
    """The union of all deltas; `merge([])` is the identity."""
    parts = [delta.select(*PAIRS) for delta in deltas if delta.height]
    return _canonical(pl.concat(parts)) if parts else pl.DataFrame(schema=PAIRS)


def _canonical(rows: pl.DataFrame) -> pl.DataFrame:
    table = rows.group_by(_KEYS).agg(pl.col("slots").bitwise_or())
    full = pl.len().over("day", "y") > X_PER_DAY
    if table.height > X_PER_DAY and (over := table.filter(full)).height:
        ranked = over.with_columns(hashes(over["x"]).alias("h")).sort("day", "y", "h", "x")
        kept = ranked.filter(pl.int_range(pl.len()).over("day", "y") < X_PER_DAY).drop("h")
        table = pl.concat([table.filter(~full), kept])
    return table.sort(_KEYS)


def surprise(windows: pl.DataFrame, self_: pl.DataFrame, *, peers_only: bool = False) -> pl.DataFrame:
    """How odd each window (columns day, slot, y, x) is, given every window of `self_` but itself. Same rows, these columns added:

    bits        -log2 P(x|y)
    bits_peers  -log2 P0(x), the population's part
    c, n        windows in which y showed x, and all windows (y, x) of y; the scored window left out
    since, until  first and last day of y in `self_`; null for an unknown y
    others, ys  other y that showed x, and all other y
    hidden      whether y's days were too full to know if it showed x

    `peers_only` leaves out what y itself did with x, in all windows: P = P0(x) among the others.
    """
    hidden = _hidden(windows, self_)
    self_, asked = _numbered(self_, windows)
    pairs = self_.group_by("pair").agg(
        pl.col("y").first(), pl.col("x").first(), pl.col("slots").bitwise_count_ones().cast(pl.Int64).sum().alias("c")
    )
    out = _joined(asked, self_, pairs)
    before = pl.col("c").alias("before")
    if peers_only:
        out = out.with_columns(before, (pl.col("n") - pl.col("c")).alias("n"), pl.lit(0, pl.Int64).alias("c"))
    else:
        out = _apart(out.with_columns(before), "", pl.col("own"))
    gone = ((pl.col("before") > 0) & (pl.col("c") == 0)).cast(pl.Int64)
    out = _apart(out, "x_", gone).with_columns(hidden)
    shows, known = (pl.col("c") > 0).cast(pl.Int64), pl.col("since").is_not_null().cast(pl.Int64)
    others, ys = pl.col("x_c") - shows, pl.lit(pairs["y"].n_unique()) - known
    named = ("bits", "bits_peers", "c", "n", "since", "until", others.alias("others"), ys.alias("ys"), "hidden")
    odd = _predictive(out, peers_only=peers_only).select(named)
    return pl.concat([windows, odd], how="horizontal")


def _numbered(self_: pl.DataFrame, windows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames with y and x as numbers, and `pair`, one number for both."""
    ys, xs = numbered(self_["y"], windows["y"]), numbered(self_["x"], windows["x"])
    pair = (pl.col("y") * 2**32 + pl.col("x")).alias("pair")
    left, right = (frame.with_columns(y, x).with_columns(pair) for frame, y, x in zip((self_, windows), ys, xs, strict=True))
    return left, right


def _joined(windows: pl.DataFrame, self_: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """`windows` with what the self holds about their y, x and pair, own window included. Unknown ones count 0."""
    wanted = windows.select("y").unique()
    mine = pairs.join(wanted, on="y", how="semi")
    shown_by = pairs.group_by("x").agg(pl.len().cast(pl.Int64).alias("x_c"))
    out = _join(windows, self_.select("day", "pair", "slots"), ["day", "pair"])
    out = _join(out, mine.select("pair", "c"), ["pair"])
    out = _join(_join(out, _totals(mine, self_), ["y"]), _levels(mine, "c", "", ["y"]), ["y", "c"])
    out = _join(_join(out, shown_by, ["x"]), _levels(shown_by, "x_c", "x_", []), ["x_c"])
    held = pl.col("slots").fill_null(0) // pl.lit(2, pl.UInt32).pow(pl.col("slot")).cast(pl.UInt32) % 2
    once = int((shown_by["x_c"] == 1).sum())
    return out.with_columns(
        pl.col("^(x_)?(c|n|k|n1|upto|kinds|above)$").fill_null(0),
        held.cast(pl.Int64).alias("own"),
        pl.lit(pairs.height, pl.Int64).alias("x_n"),
        pl.lit(shown_by.height, pl.Int64).alias("x_k"),
        pl.lit(once, pl.Int64).alias("x_n1"),
    )


def _join(left: pl.DataFrame, right: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return left.join(right, on=keys, how="left", maintain_order="left")


def _totals(mine: pl.DataFrame, self_: pl.DataFrame) -> pl.DataFrame:
    """Per y: n windows, k different x, n1 of them seen once, first and last day."""
    counts = mine.group_by("y").agg(
        pl.col("c").sum().alias("n"), pl.len().cast(pl.Int64).alias("k"), (pl.col("c") == 1).sum().cast(pl.Int64).alias("n1")
    )
    days = self_.group_by("y").agg(pl.col("day").min().alias("since"), pl.col("day").max().alias("until"))
    return counts.join(days, on="y", how="left")


def _levels(table: pl.DataFrame, count: str, prefix: str, over: list[str]) -> pl.DataFrame:
    """Per level of `count`: `upto` counts held by keys at or under the level, `kinds` of such keys, `above` keys just over it.

    Running sums over the whole sorted table, less what they were where the group began: much cheaper than sums within groups.
    """
    key, same = pl.col(count), pl.col("same")
    levels = table.group_by(*over, count).agg(pl.len().cast(pl.Int64).alias("same")).sort(*over, count)
    group = pl.col(over[0]) if over else pl.lit(0)
    starts = (group != group.shift(1)).fill_null(True) if over else pl.int_range(pl.len()) == 0

    def running(amount: pl.Expr) -> pl.Expr:
        total = amount.cum_sum()
        return total - pl.when(starts).then(total - amount).forward_fill()

    goes_on = (group == group.shift(-1)) & (key.shift(-1) == key + 1) if over else key.shift(-1) == key + 1
    above = pl.when(goes_on).then(same.shift(-1)).otherwise(0)
    named = {"upto": running(key * same), "kinds": running(same), "above": above}
    return levels.select(*over, count, **{prefix + name: expr for name, expr in named.items()})


def _apart(out: pl.DataFrame, prefix: str, take: pl.Expr) -> pl.DataFrame:
    """Take one (where `take` is 1) from a key's count, and correct every sum that rests on it, exactly. Columns added, prefixed:

    tail, tail_kinds  counts, and number, of keys counted at most once more than this key; 0 for a key never counted
    """
    c, n1, k, above, upto, kinds = (pl.col(prefix + name) for name in ("c", "n1", "k", "above", "upto", "kinds"))
    taken, last = take == 1, (take == 1) & (c == 1)
    tail = pl.when(c - take == 0).then(0).when(taken).then(upto - 1).otherwise(upto + (c + 1) * above)
    tail_kinds = pl.when(c - take == 0).then(0).when(taken).then(kinds).otherwise(kinds + above)
    return out.with_columns(
        tail.alias(prefix + "tail"),
        tail_kinds.alias(prefix + "tail_kinds"),
        (n1 - last.cast(pl.Int64) + (taken & (c == 2)).cast(pl.Int64)).alias(prefix + "n1"),
        (k - last.cast(pl.Int64)).alias(prefix + "k"),
        (c - take).alias(prefix + "c"),
        (pl.col(prefix + "n") - take).alias(prefix + "n"),
    )


def _predictive(out: pl.DataFrame, *, peers_only: bool) -> pl.DataFrame:
    """Columns bits and bits_peers; see the formula on top of this file."""

    def seen(prefix: str) -> pl.Expr:
        discount = pl.col(prefix + "n1") / pl.col(prefix + "k").clip(lower_bound=1)
        return pl.col(prefix + "tail") - discount * pl.col(prefix + "tail_kinds")

    base = (seen("x_") + THETA + pl.col("x_n1")) / (pl.col("x_n") + THETA)
    p0 = base.clip(upper_bound=1.0)
    out = out.with_columns(p0.alias("p0"))
    if peers_only:
        p = pl.col("p0")
    else:
        mixed = (seen("") + (THETA + pl.col("n1")) * pl.col("p0")) / (pl.col("n") + THETA)
        p = pl.when(pl.col("hidden") & (pl.col("c") == 0)).then(pl.col("p0")).otherwise(mixed.clip(upper_bound=1.0))
    return out.with_columns((-p.log(2)).abs().alias("bits"), (-pl.col("p0").log(2)).abs().alias("bits_peers"))


def _hidden(windows: pl.DataFrame, self_: pl.DataFrame) -> pl.Expr | pl.Series:
    """Whether x may have been dropped on a full day of y: its hash lies past the largest one kept."""
    nothing = pl.lit(False).alias("hidden")
    if self_.height < X_PER_DAY:
        return nothing
    full = self_.filter(pl.len().over("day", "y") >= X_PER_DAY).join(windows.select("y").unique(), on="y", how="semi")
    if not full.height:
        return nothing
    last = full.with_columns(hashes(full["x"]).alias("h")).group_by("day", "y").agg(pl.col("h").max())
    bound = last.group_by("y").agg(pl.col("h").min().alias("bound"))
    asked = windows.select("y", "x").join(bound, on="y", how="left", maintain_order="left")
    return asked.select((pl.when(pl.col("bound").is_not_null()).then(hashes(asked["x"])) > pl.col("bound")).fill_null(False))[:, 0].alias(
        "hidden"
    )
