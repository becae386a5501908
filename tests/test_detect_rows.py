"""Events put into groups: those put in order for all detectors are the ones that sorting them anew would give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.events import conform
from nonself.detect import detectors, rows
from nonself.detect.content import specs
from nonself.detect.view import View, view

ADDRESS = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.30", None])
EVENT = st.tuples(st.integers(0, 50), ADDRESS, ADDRESS, st.sampled_from([53, 80, 443, None]), st.sampled_from(["conn", "ssl"]))
NAMES = ("rare-destination", "data-out-to-destination", "connections-of-pair", "scan-of-network")
SPECS = {spec.name: spec for spec in specs(detectors()) if spec.name in NAMES}


def events(drawn: list[tuple[int, str | None, str | None, int | None, str]]) -> View:
    table = pl.DataFrame(drawn, schema=["hour", "src_ip", "dst_ip", "dst_port", "channel"], orient="row").with_columns(
        time=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)) + pl.col("hour") * timedelta(hours=1),
        uid=pl.Series([f"{i:024x}" for i in range(len(drawn))]),
        class_uid=pl.lit(4001),
        proto=pl.lit("tcp"),
        bytes_out=pl.lit(100),
    )
    return view(conform(table.drop("hour")), SPECS.values(), evidence=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=60))
def test_groups_are_those_of_sorting(drawn):
    looked = events(drawn)
    for spec in SPECS.values():
        chosen = rows.chosen(looked, spec)
        if chosen is None:
            continue
        day, y, x, slot = chosen.day, chosen.part(chosen.y), chosen.part(chosen.x), chosen.slot
        asked = {("day", "y"): (day, y), ("day", "y", "slot"): (day, y, slot), ("day", "y", "x"): (day, y, x), ("y", "x"): (y, x)}
        for by, columns in (asked | {("day", "y", "x", "slot"): (day, y, x, slot)}).items():
            found, wanted = chosen.grouped(*by), rows.grouped(*columns)
            assert (found.order == wanted.order).all() and (found.starts == wanted.starts).all()
            numbered = chosen.numbered(*by)
            assert all((part == whole[wanted.first]).all() for part, whole in zip(numbered, (day, y, x), strict=True))
            assert found.sizes.sum() == found.order.size and (np.diff(found.starts) > 0).all()
