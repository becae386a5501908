"""Time stamps of fixed form, against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from nonself.sources import stamps

MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2262, 1, 1))
ZONES = st.sampled_from(["", "Z", "+00:00", "+0530", "-08:00", "+13:45"])
DIGITS = st.sampled_from([None, 1, 3, 6, 7, 9])


def written(moment: datetime, zone: str, digits: int | None, separator: str) -> tuple[str, datetime]:
    """A stamp, and what it means."""
    cut = f"{moment.microsecond:06}000"[:digits] if digits else ""
    kept = moment.replace(microsecond=int(cut[:6].ljust(6, "0")) if cut else 0, tzinfo=UTC)
    minutes = 0
    if zone not in ("", "Z"):
        plain = zone.replace(":", "")
        minutes = (int(plain[1:3]) * 60 + int(plain[3:5])) * (-1 if plain[0] == "-" else 1)
    text = kept.astimezone(timezone(timedelta(minutes=minutes))).strftime(f"%Y-%m-%d{separator}%H:%M:%S")
    return text + (f".{cut}" if cut else "") + zone, kept


@given(st.lists(st.tuples(MOMENTS, ZONES, DIGITS), max_size=8), st.sampled_from("T "))
def test_a_stamp_means_what_it_says(moments: list[tuple[datetime, str, int | None]], separator: str) -> None:
    for moment, zone, digits in moments:
        text, meant = written(moment, zone, digits, separator)
        assert stamps.read(pl.Series("t", [text])).to_list() == [meant]


@given(st.lists(MOMENTS, min_size=1, max_size=8), ZONES, DIGITS, st.lists(st.text(max_size=30) | st.none(), max_size=5))
def test_rows_of_one_log_are_read_together_and_others_harm_nothing(
    moments: list[datetime], zone: str, digits: int | None, others: list[str | None]
) -> None:
    told = [written(moment, zone, digits, "T") for moment in moments]
    found = stamps.read(pl.Series("t", [*others, *(text for text, _ in told)])).to_list()[len(others) :]
    # Another text of the same length may come first and make its form the one that counts: then a stamp is left to others, never misread.
    assert all(one in (None, meant) for one, (_, meant) in zip(found, told, strict=True))
    assert stamps.read(pl.Series("t", [text for text, _ in told])).to_list() == [meant for _, meant in told]


def test_what_is_no_stamp_is_null() -> None:
    wrong = [
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01x00:00:00Z", "2026-01-01T00:00:00X", "0000-01-01T00:00:00Z", "２026-01-01T00:00:00", "", None,
        "2026-01-01T00:00:00.", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00", "not a time at all, no",
    ]  # fmt: skip
    for text in wrong:
        assert stamps.read(pl.Series("t", [text], dtype=pl.String)).to_list() == [None], text
    assert stamps.read(pl.Series("t", ["2024-02-29T00:00:00Z"])).to_list() == [datetime(2024, 2, 29, tzinfo=UTC)]
    assert stamps.read(pl.Series("t", [], dtype=pl.String)).len() == 0


def test_a_day_that_is_none_harms_no_other() -> None:
    column = ["2026-02-28T00:00:00Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2026-02-2xT00:00:00Z", "2026-03-01T00:00:00Z"]
    days = [datetime(2026, 2, 28, tzinfo=UTC), None, None, None, datetime(2026, 3, 1, tzinfo=UTC)]
    assert stamps.read(pl.Series("t", column)).to_list() == days
    assert stamps.read(pl.Series("t", [stamp.replace("Z", "+00:00") for stamp in column])).to_list() == days
