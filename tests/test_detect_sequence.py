"""The specialist `sequence`: steps read off calls, and what an unusual order is worth."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.baseline import steps, tails
from nonself.core.events import concat, conform
from nonself.detect import detectors

SEQUENCE = next(detector for detector in detectors() if detector.name == "odd-api-sequence")
START = datetime.datetime(2024, 3, 4, 9, tzinfo=datetime.UTC)
USUAL = ("GetCallerIdentity", "ListBuckets", "ListObjects", "GetObject", "PutObject")


def called(user, ops, day=0, hour=0, pause=20):
    """Calls of one identity, so many seconds apart."""
    start = START + datetime.timedelta(days=day, hours=hour)
    rows = [
        {"uid": f"{user}-{day}-{hour}-{i}", "time": start + datetime.timedelta(seconds=pause * i), "class_uid": 6003, "activity_id": 2,
         "provider": "AWS", "svc": "s3", "user": user, "op": op}
        for i, op in enumerate(ops)
    ]  # fmt: skip
    return conform(pl.DataFrame(rows))


HISTORY = concat([called(user, USUAL, day, hour) for user in ("ci", "web", "etl") for day in range(8) for hour in (0, 3)])
SELF = SEQUENCE.learn(HISTORY)


def score(ops, **when):
    (found,) = SEQUENCE.score(called("ci", ops, day=9, **when), SELF)["score"]
    return found


def test_the_usual_order_is_no_news_and_another_order_of_the_same_calls_is():
    assert score(USUAL) < 0.2 and score(USUAL[::-1]) > 12


def test_doing_the_same_again_is_no_step_and_a_pause_begins_anew():
    assert score([op for op in USUAL for _ in range(9)]) == score(USUAL)
    assert score(("GetCallerIdentity", "GetCallerIdentity"), pause=steps.PAUSE + 1) < 0.2
    assert score(("PutObject", "GetCallerIdentity"), pause=60) > score(("GetCallerIdentity", "ListBuckets"), pause=60) + 1


def test_a_step_across_two_batches_is_a_step():
    events = called("ci", ("ListBuckets", "GetCallerIdentity"), day=9)
    parts = [SEQUENCE.learn(events.slice(i, 1)) for i in range(2)]
    found = set(steps.of(SEQUENCE.merge(parts), 24)["x"])
    assert found == {f"{steps.THEN}s3\x1fListBuckets", f"s3\x1fListBuckets{steps.THEN}s3\x1fGetCallerIdentity"}
    late = SEQUENCE.score(events.slice(1, 1), SEQUENCE.merge([SELF, parts[0]]))
    assert any("GetCallerIdentity after s3 ListBuckets" in reason.seen for reason in SEQUENCE.explain(late)[0])


def test_more_steps_must_bring_more_bits():
    assert tails.sum_bits(np.array([10.0]), np.array([1]))[0] == pytest.approx(10)
    assert tails.sum_bits(np.array([10.0]), np.array([2]))[0] == pytest.approx(10 - np.log2(1 + 10 * np.log(2)))


@settings(max_examples=20)
@given(st.floats(0, 5_000), st.integers(1, 40))
def test_a_sum_is_worth_no_more_than_it_is_and_less_the_more_tests(total, tests):
    one, more = (tails.sum_bits(np.array([total]), np.array([n]))[0] for n in (tests, tests + 1))
    assert 0 <= more <= one <= total + 1e-9


def test_reasons_name_the_step_and_who_else_took_it():
    scores = SEQUENCE.score(called("ci", USUAL[::-1], day=9), SELF)
    first, *_, rest = SEQUENCE.explain(scores)[0]
    assert (
        first.seen == "ci called s3 PutObject first in a session"
        and first.normal.endswith("0 of 2 other identities took this step")
        and rest.seen == "2 more steps"
    )
