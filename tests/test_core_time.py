"""Timestamps: text and numbers to UTC microseconds, and back to words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core import time
from nonself.core.schema import TIME

SECOND = datetime(2026, 11, 22, 2, 18, 43, tzinfo=UTC)
END = 253_402_300_800
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
REFERENCES = st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


def column(expr: pl.Expr, *values: object) -> list[datetime | None]:
    result = pl.DataFrame({"t": list(values)}).select(expr)["t"]
    assert result.dtype == TIME
    return result.to_list()


def us(when: datetime) -> int:
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T02:18:43Z", SECOND),
        ("2026-11-22t02:18:43z", SECOND),
        ("2026-11-22 02:18:43", SECOND),
        ("2026-11-22T02:18:43", SECOND),
        ("  2026-11-22T02:18:43Z ", SECOND),
        ("2026-11-22T04:18:43+0200", SECOND),
        ("2026-11-22T04:18:43+02:00", SECOND),
        ("2026-11-22T04:18:43+02", SECOND),
        ("2026-11-22 04:18:43 +02:00", SECOND),
        ("2026-11-21T23:48:43-02:30", SECOND),
        ("2026-11-22T02:18:42.5Z", SECOND - timedelta(seconds=0.5)),
        ("2026-11-22T02:18:43,000001Z", SECOND + timedelta(microseconds=1)),
        ("2026-11-22T02:18:43.1234567Z", SECOND + timedelta(microseconds=123456)),
        ("2026-11-22T02:18:43.999999999+00:00", SECOND + timedelta(microseconds=999999)),
        ("2026-11-22T02:17:60Z", datetime(2026, 11, 22, 2, 18, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_iso_reads(text: str, expected: datetime) -> None:
    assert column(time.iso("t"), text) == [expected]
    assert time.parse(text) == expected


UNREADABLE = [
    "", " ", "-", "null", "2026", "2026-11", "2026-11-22T02:18", "2026-11-22T2:18:43Z", "20261122T021843Z", "22/11/2026 02:18:43",
    "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2026-11-22T24:00:01Z", "2026-11-22T02:60:00Z",
    "2026-11-22T02:18:61Z", "2026-11-22T02:18:43.Z", "2026-11-22T02:18:43+99:99", "2026-11-22T02:18:43+02:0", "2026-11-22T02:18:43ZZ",
    "2026-11-22T02:18:43Z\x00", "2026-11-22T02:18:43Z; rm", "+2026-11-22T02:18:43Z", "-2026-11-22T02:18:43Z", "12026-11-22T02:18:43Z",
    "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-00-00T00:00:00Z",
    "２０２６-11-22T02:18:43Z", "٢٠٢٦-11-22T02:18:43Z", "2026-11-22T02:18:43\u202eZ", "\ud800", "1e999", "NaN", "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_iso_gives_null_for_what_it_cannot_read(text: str) -> None:
    assert time.parse(text) is None
    if text.isprintable() or text.isascii():
        assert column(time.iso("t"), text, "2026-11-22T02:18:43Z") == [None, SECOND]


@given(MOMENTS, ZONES, st.booleans(), st.booleans())
def test_iso_agrees_with_the_standard_library(when: datetime, minutes: int, colon: bool, space: bool) -> None:
    text = (when.astimezone(timezone(timedelta(minutes=minutes)))).isoformat(" " if space else "T")
    text = text if colon else text[:-3] + text[-2:]
    assert column(time.iso("t"), text) == [when]


@given(
    st.lists(
        st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["2026-11-22T02:18:43Z", "1.5"])),
        max_size=4,
    )
)
def test_no_text_breaks_its_neighbours(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    for expr in (time.iso("t"), time.epoch("t"), time.syslog("t", SECOND)):
        together = frame.select(expr)["t"].to_list()
        assert together == [frame[at : at + 1].select(expr)["t"].item() for at in range(frame.height)]


def test_parse_takes_a_date_alone() -> None:
    assert time.parse("2026-11-22") == datetime(2026, 11, 22, tzinfo=UTC)
    assert time.parse("2026-11-99") is None


@given(st.text())
def test_parse_is_total_and_never_naive(text: str) -> None:
    found = time.parse(text)
    assert found is None or found.tzinfo is not None


@given(st.integers(0, END * 1_000_000 - 1), st.integers(0, 6))
def test_epoch_text_is_exact_to_the_microsecond(moment: int, digits: int) -> None:
    moment -= moment % 10 ** (6 - digits)
    text = f"{moment // 1_000_000}.{moment % 1_000_000:06d}"
    assert us(column(time.epoch("t"), text)[0]) == moment  # type: ignore[arg-type]


@given(st.integers(0, 2**32 * 1_000_000))
def test_epoch_floats_do_not_drift(moment: int) -> None:
    assert us(column(time.epoch("t"), moment / 1_000_000)[0]) == moment  # type: ignore[arg-type]


@given(st.decimals(0, END - 1, places=9))
def test_epoch_rounds_finer_digits_by_less_than_a_microsecond(seconds: Decimal) -> None:
    assert abs(us(column(time.epoch("t"), str(seconds))[0]) - seconds * 1_000_000) <= 1  # type: ignore[arg-type]


def test_epoch_reads_integers_exponents_and_spaces() -> None:
    assert column(time.epoch("t"), 1_795_313_923) == [SECOND]
    assert column(time.epoch("t"), " 1795313923 ", "1.795313923e9", "1795313923.", "1795313923") == [SECOND] * 4


@pytest.mark.parametrize(
    "text",
    ["1e999", "-1e999", "NaN", "inf", "-inf", "Infinity", "-1", "-0.5", "", "-", ".", "1.5.5", "0x10", "1_0", "٣", "true", "1e-99999x",
     str(END), "1795313923000", "1" * 40, "1" * 100_000, "2026-11-22T02:18:43Z", "1795313923\x00"],
)  # fmt: skip
def test_epoch_gives_null_for_nonsense(text: str) -> None:
    assert column(time.epoch("t"), text, "1795313923") == [None, SECOND]


def test_epoch_gives_null_for_nonsense_floats() -> None:
    assert column(time.epoch("t"), float("nan"), float("inf"), float("-inf"), -1.0, 1e300, 1e12, 1.5) == [
        None, None, None, None, None, None, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
    ]  # fmt: skip


def test_empty_and_null_columns_keep_their_type() -> None:
    for values in ([], [None, None]):
        frame = pl.DataFrame({"t": values}, schema={"t": pl.String})
        for expr in (time.iso("t"), time.epoch("t"), time.syslog("t", SECOND)):
            assert frame.select(expr).schema == {"t": TIME}
            assert frame.lazy().select(expr).collect()["t"].null_count() == len(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dec 31 23:00:00", "2026-12-31 23:00:00Z"),
        ("Jan  1 12:00:00", "2027-01-01 12:00:00Z"),
        ("Jan 2 11:59:59", "2027-01-02 11:59:59Z"),  # within the day of grace
        ("Jan  2 12:00:01", "2026-01-02 12:00:01Z"),
        ("Feb 29 01:00:00", "2024-02-29 01:00:00Z"),  # the last year that had one
        ("Mar  1 00:00:00", "2026-03-01 00:00:00Z"),
        ("nov 22 02:18:43", "2026-11-22 02:18:43Z"),
    ],
)
def test_syslog_infers_the_year(text: str, expected: str) -> None:
    (found,) = column(time.syslog("t", datetime(2027, 1, 1, 12, tzinfo=UTC)), text)
    assert found is not None
    assert time.stamp(found) == expected


@given(MOMENTS.filter(lambda t: t.year < 9000), REFERENCES)
def test_syslog_is_the_latest_year_that_is_not_in_the_future(when: datetime, reference: datetime) -> None:
    (found,) = column(time.syslog("t", reference), f"{when:%b} {when.day:2d} {when:%H:%M:%S}")
    limit = reference + timedelta(days=1)
    assert found is not None
    assert found <= limit
    assert (found.month, found.day, found.time()) == (when.month, when.day, when.time().replace(microsecond=0))
    later = [found.year + years for years in range(1, 9)]
    for year in later:
        try:
            assert found.replace(year=year) > limit
        except ValueError:
            continue  # no 29 February in that year


@pytest.mark.parametrize(
    "text", ["Feb 30 00:00:00", "Foo 1 00:00:00", "Nov 22 25:00:00", "Nov 22", "2026-11-22", "Nov 22 02:18:43 host", ""]
)
def test_syslog_gives_null_for_what_it_cannot_read(text: str) -> None:
    assert column(time.syslog("t", SECOND), text, "Nov 22 02:18:43") == [None, SECOND]


def test_syslog_survives_absurd_references() -> None:
    for reference in (
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
    ):
        assert len(column(time.syslog("t", reference), "Feb 29 00:00:00", "Jan  1 00:00:00")) == 2


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        time.syslog("t", datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="naive"):
        time.stamp(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.00001, "10 us"), (0.25, "250 ms"), (5, "5 s"), (65, "1 min 5 s"), (11_525, "3 h 12 min"), (86_400 * 41 + 3, "41 d"),
     (86_400 + 3_600, "1 d 1 h"), (-7_200, "-2 h"), (59.999, "59 s")],
)  # fmt: skip
def test_human(seconds: float, text: str) -> None:
    assert time.human(timedelta(seconds=seconds)) == text


@given(st.timedeltas())
def test_human_is_total(duration: timedelta) -> None:
    assert time.human(duration).split()[-1] in ("d", "h", "min", "s", "ms", "us")


def test_stamp_is_utc() -> None:
    assert time.stamp(datetime(2026, 11, 22, 4, 18, 43, 999, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-22 02:18:43Z"
