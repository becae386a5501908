"""What a detector's findings rest on: how much the self holds, and whether that is enough to say anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from nonself.baseline import keys
from nonself.core.scores import Delta
from nonself.detect.content import specs

if TYPE_CHECKING:
    from nonself.detect.contract import Detector


def enough(detector: Detector, self_: Delta) -> bool:
    """Whether the self holds as many days as the detector's content row asks for (`min_days`). The one place that asks."""
    return days(self_) >= max((spec.min_days for spec in specs([detector])), default=1)


def days(self_: Delta) -> int:
    """Days that the self holds."""
    return self_["day"].n_unique()


def told(self_: Delta) -> str:
    """The self in a sentence: "31 days since 2024-03-01, 12,345 windows of 57 entities"."""
    self_ = self_.filter(keys.of_actors()) if "y" in self_.columns else self_
    windows = int(self_["slots"].bitwise_count_ones().sum() or 0) if "slots" in self_.columns else self_.height
    parts = [f"{_count(days(self_), 'day')} since {self_['day'].min()!s}", _count(windows, "window")]
    if self_.schema.get("n") == pl.Int64:
        parts.append(_count(int(self_["n"].sum()), "event"))
    of = f" of {self_['y'].n_unique():,} different actors" if "y" in self_.columns else ""
    return ", ".join(parts) + of


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" + ("" if n == 1 else "s")
