"""The specialist `travel`: what no traveller can do, and the gateways and borders that only look like it."""

import random
from functools import cache

import numpy as np
import polars as pl
import pytest

from nonself.core.events import conform
from nonself.detect import countries, detectors

TRAVEL = {detector.name: detector for detector in detectors()}["impossible-travel"]
START, HOUR, DAY = 1_709_510_400, 3_600, 86_400


def logon(user, country, at, asn=None):
    return {"user": user, "country": country, "asn": asn, "time": int((START + at) * 1e6)}


def events(rows):
    base = {"class_uid": 3002, "activity_id": 1, "status_id": 1}
    frame = pl.DataFrame([{**base, **row, "uid": f"{i}"} for i, row in enumerate(rows)], infer_schema_length=None)
    return conform(frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))))


@cache
def staff(days=12, people=20):
    """People at home in two countries, by wire and by phone, who fly to the other office now and then, slowly."""
    rng = random.Random(9)
    rows = []
    for day in range(days):
        for p in range(people):
            home, away = ("DE", "US") if p % 2 else ("US", "DE")
            where = away if p == day % people else home
            rows += [
                logon(f"u{p}", where, day * DAY + h * HOUR + rng.randrange(HOUR), rng.choice((64500, 64501))) for h in (14, 15, 17, 19)
            ]
    return rows


def scored(rows):
    """By user, place and day, the score and its reasons; everything learnt before."""
    whole = events(rows)
    found = TRAVEL.score(whole, TRAVEL.learn(whole), included=True)
    told = TRAVEL.explain(found)
    assert all(sum(r.bits for r in reasons) == pytest.approx(score, abs=1e-9) for score, reasons in zip(found["score"], told, strict=True))
    keys = [
        (*what.split(" was seen in "), int((t.timestamp() - START) // DAY)) for what, t in zip(found["_what"], found["start"], strict=True)
    ]
    return dict(zip(keys, zip(found["score"], told, strict=True), strict=True))


def test_a_stolen_session_is_first_and_travellers_are_not():
    found = scored([*staff(), logon("u3", "AU", 11 * DAY + 16 * HOUR, 64999)])
    name = ("u3", "AU AS64999", 11)
    assert max(found, key=lambda k: found[k][0]) == name and found[name][0] > 8
    assert max(score for key, (score, _) in found.items() if key != name) < 1
    speed, place, gateway = found[name][1]
    assert "km from DE" in speed.seen and place.bits > 0 and gateway.bits == pytest.approx(0, abs=1e-9)


def test_nearer_in_time_is_odder_and_a_flight_is_possible():
    near, far, flight = (
        scored([*staff(), logon("u3", "JP", 11 * DAY + 21 * HOUR + gap)])["u3", "JP", 11 + (gap > 3 * HOUR)][0]
        for gap in (0, 2 * HOUR, 16 * HOUR)
    )
    assert near > far > flight == 0


def test_neighbours_and_unknown_places_are_no_distance():
    for country in ("FR", "PL", "NL", "XX", ""):
        found = scored([*staff(), logon("u3", country, 11 * DAY + 16 * HOUR)])
        assert max(score for score, _ in found.values()) == 0


def test_a_gateway_of_many_or_of_long_standing_is_normal():
    many = [logon(f"u{p}", "SG", day * DAY + 16 * HOUR + p, 64777) for day in range(3) for p in range(1, 13, 2)]
    found = scored([*staff(), *many])
    assert max(score for score, _ in found.values()) <= 1
    two = scored([*staff(), *(row for row in many if row["user"] in ("u3", "u5"))])
    assert two["u3", "SG AS64777", 0][0] > 7, "two victims do not make a gateway"
    own = scored([*staff(), *(logon("u3", "SG", day * DAY + 16 * HOUR) for day in range(8))])
    assert own["u3", "SG", 0][0] > 5 and own["u3", "SG", 7][0] < 1


def test_countries_are_where_they_are():
    table = countries.places()
    assert len(table) > 240 and all(-90 <= lat <= 90 and -180 <= lon <= 180 and reach > 0 for lat, lon, reach in table.values())
    codes = ["DE", "AU", "NZ", "US", "FR", "??"]
    km = countries.apart(codes, np.array([0, 1, 0, 0, 5, 0]), np.array([1, 2, 3, 4, 0, 0]))
    assert 11_000 < km[0] < 14_000 and 900 < km[1] < 3_000 and 4_000 < km[2] < 7_000 and (km[3:] == 0).all()
