"""How much a window's hour of the week matters: factors on the rate of counts, y's own, backed off to its peers'.

    f(c)    = (sum over the other y' of R_y'c + kappa) / (sum over them of n_y'c + kappa)      R_yc = s_yc / rate_y
    f(y, c) = (R_yc + lambda f(c)) / (n_yc + lambda)

c is one of the 168 hours of the week (for windows of a day, of its 7 days); s_yc and n_yc are what y did in windows of c, and how many of
them there were in which anyone was heard, zeros counted; R counts in units of y's own rate, so that each y weighs as much as it was
watched and no more. kappa = lambda = 16: after sixteen weeks y's own Mondays at nine weigh as much as its peers' do. A y's expected count
in a window is rate_y f(y, c), and what is called burstiness is what is left round that. The scored window is left out of its own factor.

A factor is learnt from `DAYS` days and more; before, and where nothing repeats, it is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from nonself.baseline.codes import Floats, Ints, Mask, distinct, found

HOURS = 168
DAYS = 14
KAPPA, LAMBDA = 16.0, 16.0


@dataclass(frozen=True, slots=True)
class Windows:
    """The self's windows in order of y and time: number of y, place of the window among `heard` (all in which anyone was, in order), and
    count; and per y its first and last place, windows n (zeros counted), and sum s and sum of squares ss of counts."""

    y: Ints
    place: Ints
    count: Ints
    heard: Ints
    per_day: int
    first: Ints
    last: Ints
    n: Ints
    s: Ints
    ss: Ints


@dataclass(frozen=True, slots=True)
class Asked:
    """Windows to score: y (-1 for an unknown one), window since 1970, whether the self holds it, and with what count; n and s, those of y
    without it."""

    y: Ints
    w: Ints
    own: Mask
    held: Ints
    n: Ints
    s: Ints


@dataclass(frozen=True, slots=True)
class Season:
    """Per asked window: its factor, that of its peers, and `spread`: sum of squares with the deviations from what the season expects in
    place of those from the mean; `every`, the spread of each y of the self."""

    factor: Floats
    peers: Floats
    spread: Floats
    every: Floats


def season(windows: Windows, asked: Asked, own_ss: Ints) -> Season:
    """The factors of some windows; all 1, and the spreads the plain sums of squares (`own_ss` those of the asked), before `DAYS` days."""
    if distinct(windows.heard // windows.per_day).size < DAYS:
        one = np.ones(asked.y.size)
        return Season(one, one, own_ss.astype(np.float64), windows.ss.astype(np.float64))
    cells = _Cells.of(windows)
    every, left = cells.residuals()
    cell = _cell(asked.w, windows.per_day)
    known = asked.y >= 0
    y = np.where(known, asked.y, 0)
    at = np.where(known, found(cells.keys, y * HOURS + cell), -1)
    taken = np.append(cells.taken, 0.0)[at]
    there = np.where(known, cells.between(y, cell), 0)
    peers = (cells.all_taken[cell] - taken + KAPPA) / (cells.all_n[cell] - there + KAPPA)
    mean = asked.s / np.maximum(asked.n, 1)
    apart = np.where(mean > 0, np.maximum(np.append(cells.s, 0.0)[at] - asked.held, 0.0) / np.where(mean > 0, mean, 1.0), 0.0)
    factor = (apart + LAMBDA * peers) / (there - _inside(windows, y, asked.w, known) + LAMBDA)
    off = np.where(asked.own, (asked.held - np.append(cells.expected, 0.0)[at]) ** 2, 0.0)
    spread = asked.n * mean**2 + np.maximum(np.append(left, 0.0)[asked.y] - off, 0.0)
    return Season(factor, peers, np.where(known, spread, own_ss), every)


def _inside(windows: Windows, y: Ints, w: Ints, known: Mask) -> Mask:
    """Whether a window asked for is among those counted of its y, filled or empty."""
    place = found(windows.heard, w)
    return known & (place >= 0) & (windows.first[y] <= place) & (place <= windows.last[y])


def _cell(w: Ints, per_day: int) -> Ints:
    """Hour of the week of windows since 1970 (a Thursday), Monday's first being 0."""
    hour = w % per_day * 24 // per_day if per_day >= 24 else np.zeros_like(w)
    return np.asarray((w // per_day + 3) % 7 * 24 + hour, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Hours of the week in which a y did something, by `keys` (y * 168 + cell, in order): s, n, taken (R), expected count of a window;
    and over all y per cell: all_taken, all_n. `order` holds cell * (number of heard windows) + place, sorted."""

    windows: Windows
    keys: Ints
    s: Floats
    n: Floats
    taken: Floats
    expected: Floats
    all_taken: Floats
    all_n: Floats
    cell: Ints
    order: Ints

    @classmethod
    def of(cls, windows: Windows) -> _Cells:
        cell = _cell(windows.heard, windows.per_day)
        order = np.sort(cell * windows.heard.size + np.arange(windows.heard.size))
        keys, back = np.unique(windows.y * HOURS + cell[windows.place], return_inverse=True)
        s = _sums(back, windows.count, keys.size)
        y, c = np.divmod(keys, HOURS)
        n = _between(order, windows, y, c).astype(np.float64)
        rate = (windows.s / np.maximum(windows.n, 1))[y]
        taken = np.where(rate > 0, s / np.where(rate > 0, rate, 1.0), 0.0)
        watched = np.bincount(windows.first, minlength=cell.size + 1) - np.bincount(windows.last + 1, minlength=cell.size + 1)
        all_n = _sums(cell, np.cumsum(watched)[: cell.size], HOURS)
        all_taken = _sums(c, taken, HOURS)
        factor = (taken + LAMBDA * (all_taken[c] + KAPPA) / (all_n[c] + KAPPA)) / (n + LAMBDA)
        return cls(windows, keys, s, n, taken, rate * factor, all_taken, all_n, cell, order)

    def between(self, y: Ints, cell: Ints) -> Ints:
        """How many heard windows of a cell lie between the first and last of y."""
        return _between(self.order, self.windows, y, cell)

    def residuals(self) -> tuple[Floats, Floats]:
        """Per y: its spread, and the squares left round what the season expects. In hours in which y did nothing the expectation is
        taken as if y had been watched as long as anyone."""
        windows, (y, c) = self.windows, np.divmod(self.keys, HOURS)
        rate, plain = windows.s / np.maximum(windows.n, 1), (self.all_taken + KAPPA) / (self.all_n + KAPPA)
        idle = plain * LAMBDA / (np.bincount(self.cell, minlength=HOURS) + LAMBDA)
        upto = np.append(0.0, np.cumsum(idle[self.cell] ** 2))
        left = windows.ss + rate**2 * (upto[windows.last + 1] - upto[windows.first])
        here = self.n * (self.expected**2 - (rate[y] * idle[c]) ** 2) - 2.0 * self.expected * self.s
        left = np.maximum(left + _sums(y, here, rate.size), 0.0)
        return windows.n * rate**2 + left, left


def _sums(group: Ints, values: Ints | Floats, size: int) -> Floats:
    return np.bincount(group, weights=values.astype(np.float64), minlength=size).astype(np.float64)


def _between(order: Ints, windows: Windows, y: Ints, cell: Ints) -> Ints:
    start = cell * windows.heard.size
    upto, before = np.searchsorted(order, start + windows.last[y] + 1), np.searchsorted(order, start + windows.first[y])
    return np.asarray(upto - before, dtype=np.int64)


def columns(found_: Season) -> dict[str, pl.Series]:
    """The answer per asked window as columns season, season_peers and spread."""
    return {name: pl.Series(part) for name, part in (("season", found_.factor), ("season_peers", found_.peers), ("spread", found_.spread))}
