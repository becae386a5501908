"""Evidence of a window with more events than are kept: its first, the largest amounts, and a sample that two detectors share."""

import hashlib

import polars as pl

from nonself.core.events import conform
from nonself.core.scores import EVIDENCE
from nonself.detect import detectors

BY_NAME = {detector.name: detector for detector in detectors()}
START = 1_709_510_400
FEW, MANY, LARGE = EVIDENCE, 8 * EVIDENCE, 5


def uid(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=12).hexdigest()


def fetched(count: int) -> pl.DataFrame:
    """Connections of one machine to a file server, ten seconds apart; the last ones bring almost all of it."""
    base = {
        "class_uid": 4001,
        "activity_id": 6,
        "channel": "conn",
        "proto": "tcp",
        "dst_port": 445,
        "src_ip": "10.0.0.7",
        "dst_ip": "10.0.1.2",
    }
    rows = [
        {**base, "time": (START + 10 * i) * 1_000_000, "bytes_in": 9_000_000 if i >= count - LARGE else 900, "uid": uid(i)}
        for i in range(count)
    ]  # fmt: skip
    return conform(pl.DataFrame(rows).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC"))))


def evidence(name: str, events: pl.DataFrame) -> list[str]:
    detector = BY_NAME[name]
    return list(detector.score(events, detector.learn(events), included=True)["events"].explode())


def test_all_of_few_events_are_evidence() -> None:
    assert evidence("data-from-server", fetched(FEW)) == [uid(i) for i in range(FEW)]


def test_of_many_events_the_first_the_largest_and_a_sample_in_order_of_time() -> None:
    kept = [[uid(i) for i in range(MANY)].index(one) for one in evidence("data-from-server", fetched(MANY))]
    assert kept == sorted(set(kept)) and len(kept) == EVIDENCE
    assert kept[0] == 0 and kept[-LARGE:] == list(range(MANY - LARGE, MANY))
    assert sum(EVIDENCE < i < MANY - LARGE for i in kept) > EVIDENCE // 3, "the whole of the window is sampled, not its beginning"


def test_two_detectors_take_the_same_sample() -> None:
    events = fetched(MANY)
    counted, summed = set(evidence("connections-of-pair", events)), set(evidence("data-from-server", events))
    assert len(counted) == EVIDENCE
    assert 2 * len(counted & summed) >= EVIDENCE, "findings on the same events must be seen to rest on them"
