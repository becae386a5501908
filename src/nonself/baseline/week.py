"""At which hours of the week y is heard: a smoothed circular density over 168 hours, backed off to y's days and to its peers.

    D_y(h)  = sum over k of K(k) c_y(h + k) / n_y         c_y(h): days on which y was heard in hour h of the week; n_y their sum
    P0(h)   = (sum over the other y' of D_y'(h) + theta / 168) / (number of them + theta)
    A_y(h)  = D_y summed over the weekdays at that hour of the day, spread over weekdays as P0 is at that hour
    P(h|y)  = (n_y D_y(h) + theta (A_y(h) + P0(h)) / 2) / (n_y + theta)

K is triangular, 3/9 at the hour itself, 2/9 and 1/9 at one and two hours from it, round the week. theta = 1, one window's worth of belief
in the level above. A_y lets a week that is not yet known follow from days that are: who came at nine on three mornings is expected at
nine on the fourth. Whoever works nights has a density of nights; nothing here knows of office hours.

The surprise of h is log2((1/168) / P(h|y)), or 0: the odds of somebody who knows nothing of y's hours against y itself. As a ratio of two
distributions it is an e-value: y itself reaches b bits at most once in 2^b of its hours, whatever its density. A tail of the density does
not have that property where y is heard at all hours: some hour of the week is always the least usual one, by chance.

A day off that is not a weekend (a holiday) is told by its emptiness: a day on which less than half as many y were heard as on the median
day of its weekday, three others at least being known, counts as a Sunday, whatever it teaches and whatever is asked of it. The last day
is never one, since it may not be over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline import presence
from nonself.baseline.codes import Floats, Ints, found
from nonself.baseline.keys import numbered
from nonself.baseline.presence import Heard

Floats32 = npt.NDArray[np.float32]
HOURS = 168
SUNDAY = 6
THETA = 1.0
_KERNEL = {-2: 1 / 9, -1: 2 / 9, 0: 3 / 9, 1: 2 / 9, 2: 1 / 9}
_EMPTY, _OTHERS = 0.5, 3
_AT_ONCE = 8_192


@dataclass(frozen=True, slots=True)
class Answer:
    """Per asked window: bits, of which bits_peers are due to the peers alone; n, y's other hours; ys, number of its peers; hour (of the
    week) asked; usual, y's most usual hour of the week (its peers' for an unknown y); since, until, y's first and last day as days since
    1970 (until < since for an unknown y)."""

    bits: Floats
    bits_peers: Floats
    n: Ints
    ys: Ints
    hour: Ints
    usual: Ints
    since: Ints
    until: Ints


def surprise(day: Ints, slot: Ints, y: pl.Series, self_: pl.DataFrame, *, alone: bool = False) -> Answer:
    """How odd it is that y was heard in an hour (day since 1970, slot its hour), given all of `self_` (`PRESENCE`) but that hour; `alone`:
    given its own hours only, P0 being flat."""
    held_y, asked_y = numbered(self_["y"], y)
    heard = Heard.of(self_, held_y)
    off = holidays(heard)
    cell, asked = _cells(heard.day, heard.slot, off), _cells(day, slot, off)
    known = int(held_y.max(initial=-1)) + 1
    pair = heard.y * HOURS + cell
    counts = np.bincount(pair, minlength=known * HOURS).reshape(known, HOURS).astype(np.float32)
    n = counts.sum(1)
    everyone = _smoothed((counts / np.maximum(n, 1.0)[:, None]).sum(0, dtype=np.float64, keepdims=True))[0]
    own = _held(heard, day, slot, asked_y)
    # Many windows ask the same: an hour of the week of one y, its own window counted or not.
    _, first, back = np.unique((asked_y * HOURS + asked) * 2 + own, return_index=True, return_inverse=True)
    parts = [_answers(counts, None if alone else everyone, asked_y[rows], asked[rows], own[rows]) for rows in _blocks(first)]
    bits, bits_peers, usual = (np.concatenate(column)[back] if parts else np.empty(0) for column in zip(*parts, strict=True))
    since, until = np.full(known + 1, 2**31 - 1), np.full(known + 1, -(2**31))
    np.minimum.at(since, heard.y, heard.day)
    np.maximum.at(until, heard.y, heard.day)
    at = np.where(asked_y < known, asked_y, known)
    ys = (np.count_nonzero(n) - (np.append(n, 0.0)[at] > 0)) * (not alone)
    return Answer(bits, bits_peers, np.append(n, 0.0)[at].astype(np.int64) - own, ys, asked, usual.astype(np.int64), since[at], until[at])


def holidays(heard: Heard) -> Ints:
    """The days (since 1970), in order, on which so few were heard that they count as Sundays."""
    days, count = presence.per_day(heard)
    weekday = (days + 3) % 7
    out = np.zeros(days.size, np.bool_)
    for which in range(7):
        same = np.flatnonzero(weekday == which)
        if same.size > _OTHERS:
            out[same] = count[same] < _EMPTY * np.median(count[same])
    return days[:-1][out[:-1]]


def _cells(day: Ints, slot: Ints, off: Ints) -> Ints:
    """Hour of the week, Monday's first being 0; 1 January 1970 was a Thursday."""
    weekday = np.where(found(off, day) >= 0, SUNDAY, (day + 3) % 7)
    return weekday * 24 + slot


def _held(heard: Heard, day: Ints, slot: Ints, y: Ints) -> Ints:
    """1 where y was heard in the very window asked for."""
    keys, asked = (who * 2**34 + when * 32 + hour + 2**33 for who, when, hour in ((heard.y, heard.day, heard.slot), (y, day, slot)))
    return (found(np.sort(keys), asked) >= 0).astype(np.int64)


def _blocks(rows: Ints) -> list[Ints]:
    return [rows[i : i + _AT_ONCE] for i in range(0, rows.size, _AT_ONCE)] or [rows]


def _smoothed(counts: Floats | Floats32) -> Floats:
    """Rows of 168 hours under the kernel, round the week."""
    parts = [weight * np.roll(counts, k, axis=1) for k, weight in _KERNEL.items()]
    return np.asarray(np.sum(parts, axis=0, dtype=np.float64), dtype=np.float64)


def _answers(counts: Floats32, everyone: Floats | None, y: Ints, hour: Ints, own: Ints) -> tuple[Floats, Floats, Ints]:
    """bits, bits_peers and the most usual hour, row for row. `everyone`: the sum of all densities, None where nobody else counts."""
    known = y < counts.shape[0]
    rows = np.where(known[:, None], counts[np.where(known, y, 0)], 0.0) if counts.size else np.zeros((y.size, HOURS))
    before = rows.sum(1)
    peers = np.full_like(rows, 1 / HOURS, dtype=np.float64)
    if everyone is not None:
        others = np.maximum(everyone - _smoothed(rows / np.maximum(before, 1.0)[:, None]), 0.0)
        ys = np.count_nonzero(counts.sum(1)) - (before > 0)
        peers = (others + THETA / HOURS) / (ys + THETA)[:, None]
    rows[np.arange(y.size), hour] -= own
    mixed = _mixed(rows, peers)
    return _odds(mixed, hour), _odds(peers, hour), np.argmax(mixed, 1)


def _mixed(rows: Floats, peers: Floats) -> Floats:
    """P(.|y), a row each."""
    n = rows.sum(1)
    smooth = _smoothed(rows)
    week = peers.reshape(-1, 7, 24)
    daily = (smooth.reshape(-1, 7, 24).sum(1, keepdims=True) * week / week.sum(1, keepdims=True)).reshape(-1, HOURS)
    prior = np.where((n > 0)[:, None], (daily / np.maximum(n, 1.0)[:, None] + peers) / 2, peers)
    return np.asarray((smooth + THETA * prior) / (n + THETA)[:, None])


def _odds(density: Floats, hour: Ints) -> Floats:
    """How much likelier a random hour of the week would be this one, in bits; 0 where it would not."""
    at: Floats = density[np.arange(hour.size), hour] * HOURS
    return np.asarray(np.maximum(-np.log2(at), 0.0), dtype=np.float64)
