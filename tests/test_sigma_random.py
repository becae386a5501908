"""The engine against the naive evaluator over many random pairs of a rule and an event, counted one by one.

`NONSELF_EXAMPLES` sets how many pairs (default 20,000); `scripts/differential` runs a million. What fails is printed as one rule and one
event, with the seed of its batch.
"""

from __future__ import annotations

import os
import random
from typing import Any
from unittest import mock

import orjson
import polars as pl
import pytest
import yaml

import sigma_cases
from nonself.core.events import conform
from nonself.detect.sigma import Ruleset, evaluate, sheet
from nonself.detect.sigma.placeholders import is_placeholders
from nonself.detect.sigma.reading import compile_files
from test_sigma_reference import PLACEHOLDERS, flat, rule_holds

EXAMPLES = int(os.environ.get("NONSELF_EXAMPLES", "20000"))
RULES, EVENTS = 50, 10
CHUNKS = 20
LOG = {"product": "aws", "service": "cloudtrail"}
VALUES = "\n".join(f"{name} = {values!r}" for name, values in PLACEHOLDERS.items()).encode()


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, list) else [value]


def _full_text(record: str, event: dict[str, Any]) -> str:
    """Keywords are searched in the record; where JSON has escaped something, in its decoded values too."""
    return "\n".join([record, *(str(leaf) for leaf in flat(_leaves(event)) if isinstance(leaf, str))]) if "\\" in record else record


def batch(seed: int) -> int:
    """Compare `RULES` x `EVENTS` pairs; returns how many of them hit. The record is in `ext` in half of the batches, else in `raw`."""
    draw = random.Random(seed)
    documents = [{"title": "t", "id": str(i), "logsource": LOG, "detection": sigma_cases.rule(draw)} for i in range(RULES)]
    events = [sigma_cases.event(draw) for _ in range(EVENTS)]
    ops = [draw.choice(["", "x", "aA", "bc", None, "Σς"]) for _ in events]
    place = draw.choice(["ext", "raw"])
    assert is_placeholders("placeholders.toml")
    compiled = compile_files(
        [("r.yml", yaml.dump_all(documents, allow_unicode=True, Dumper=yaml.CSafeDumper).encode()), ("placeholders.toml", VALUES)]
    )
    assert not compiled.rejected, f"seed {seed}: {compiled.rejected[0]}"
    records = [orjson.dumps(event).decode() for event in events]
    rows = [
        {"uid": f"{i:024x}", "source": "cloudtrail", "op": op, place: text} for i, (op, text) in enumerate(zip(ops, records, strict=True))
    ]
    frame = conform(pl.DataFrame(rows, schema={"uid": pl.String, "source": pl.String, "op": pl.String, place: pl.String}))
    with mock.patch.object(sheet, "_FEW", draw.choice([0, 32])), mock.patch.object(evaluate, "SLICE", draw.choice([4, 4096])):
        hits = Ruleset(compiled).match(frame)
    found = {(rule, int(uid, 16)) for rule, uids in hits.select("rule", "events").iter_rows() for uid in uids}
    for document in documents:
        for i, (event, op, record) in enumerate(zip(events, ops, records, strict=True)):
            expected = rule_holds(document, event | ({} if op is None else {"eventName": op}), _full_text(record, event))
            assert ((document["id"], i) in found) == expected, (
                f"seed {seed}, {place}: {document['detection']!r} on {event!r}, op {op!r}: {expected}"
            )
    return len(found)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_engine_agrees_with_the_naive_evaluator_on_random_pairs(chunk: int) -> None:
    batches = -(-EXAMPLES // (RULES * EVENTS * CHUNKS))
    hits = sum(batch(chunk * 1_000_003 + number) for number in range(batches))
    pairs = batches * RULES * EVENTS
    assert pairs * 0.1 < hits < pairs * 0.9, "rules that nearly always or never hit would test nothing"
