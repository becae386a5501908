"""The guarded model: what it is asked, what of its answers is taken, and why nothing else can get through.

It sees pseudonyms, handles, numbers and words of this program (`taint.Prompt`). It may

    choose  further questions: a tool of the closed list and an entity of the incident, nothing else
    rank    the hypotheses, for the order they are listed in; their probabilities stay what they are
    claim   a predicate of the closed list about entities and events of the incident, which the verifier then runs
    join    clauses of verified claims into a summary (`compose`)
    read    in quarantine and on this machine only: one text of a log, to put it into one of `KINDS`; the answer can only raise suspicion

Every answer is parsed against closed lists; what is not on them is refused and counted. Whatever fails (no model, no budget, no JSON), the
floor stands and the report says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nonself.analyst import compose
from nonself.analyst.case import Advice, Case, Told, investigate
from nonself.analyst.hypotheses import HYPOTHESES
from nonself.analyst.model import Budget, Model, Request, request
from nonself.analyst.predicates import PREDICATES
from nonself.analyst.pseudonyms import Vault
from nonself.analyst.quarantine import read_texts
from nonself.analyst.queries import TOOLS, Answer, Query, ask
from nonself.analyst.records import Records
from nonself.analyst.redact import LeakError, refuse, secrets_out, words
from nonself.analyst.taint import NONE, Fixed, Part, Prompt, Suspicion
from nonself.analyst.texts import handle
from nonself.core.claim import Claim
from nonself.core.entities import kind
from nonself.core.errors import ModelError
from nonself.core.schema import ATTACKER_WRITABLE

MOST_ENTITIES = 12
_NAMED = ("host", "user", "ip", "domain", "role", "cred", "resource")
MOST_CLAIMS = 12
"""Claims a model is told of; a small model's context is small."""
MOST_QUERIES = 4
_ANSWER_TOKENS = 400


@dataclass(slots=True)
class Desk:
    """One incident on its way through a model: the names it was given, what was taken, what was refused."""

    records: Records
    case: Case
    model: Model
    vault: Vault
    budget: Budget
    forbidden: set[str]
    used: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def ask(self, request: Request) -> Any:
        """The answer as JSON. ModelError for none; LeakError where the request holds a name it must not."""
        outgoing(request, self.forbidden)
        response = self.budget.ask(self.model, request, self.requests)
        if response.cut:
            raise ModelError(f"the answer was cut off at {request.tokens} tokens", do="a model that thinks first must be told not to")
        try:
            return json.loads(response.text)
        except (ValueError, RecursionError) as error:
            raise ModelError("the answer is not JSON") from error


def outgoing(request: Request, forbidden: set[str]) -> None:
    """Look a request through before it leaves: LeakError for a known name or anything like a secret in what varies of it."""
    refuse(request.varying, forbidden)
    if secrets_out(request.varying) != request.varying:
        raise LeakError("an outgoing text held what looks like a secret and was not sent", do="report this: it is a fault of nonself")


def forbidden(records: Records, case: Case) -> set[str]:
    """Names that must not leave: entities of the incident and every value of its evidence that attackers can write."""
    evidence = records.cited(uid for f in records.findings.values() for uid in f.events)
    columns = [name for name in evidence.columns if name in ATTACKER_WRITABLE and evidence.schema[name] == records.events.schema["uid"]]
    values = {value for name in columns for value in evidence[name].drop_nulls().unique().to_list()}
    return words({*values, *(e.partition(":")[2] for e in case.incident.entities)})


def advise(records: Records, floor: Case, model: Model, vault: Vault, budget: Budget, *, quarantine: bool = False) -> Case:
    """The case with what a model added. The floor's verdict is never lowered, its actions and claims are all kept."""
    try:
        name = model.name
    except ModelError as error:
        return msgspec.structs.replace(floor, advice=Advice(note=f"no model could be asked ({error})"))
    desk = Desk(records, floor, model, vault, budget, forbidden(records, floor))
    notes: list[str] = []
    answers: list[Answer] = _attempt(desk, _choose, notes, [])
    claimed: list[Claim] = _attempt(desk, _claim, notes, [])
    order: tuple[str, ...] = _attempt(desk, _rank, notes, ())
    summary: str = _attempt(desk, _join, notes, "")
    raised: Suspicion = _attempt(desk, _read, notes, NONE) if quarantine else NONE
    added = answers or claimed or raised.bits
    case = investigate(records, more=answers, claimed=claimed, raised=raised) if added else floor
    advice = Advice(
        model=name, used=tuple(desk.used), refused=tuple(desk.refused), order=order, summary=summary, requests=tuple(desk.requests),
        tokens_in=budget.spent_in, tokens_out=budget.spent_out, usd=budget.spent_usd, note="; ".join(dict.fromkeys(notes)),
    )  # fmt: skip
    return msgspec.structs.replace(case, advice=advice, actions=floor.actions or case.actions)


def _attempt(desk: Desk, step: Callable[[Desk], Any], notes: list[str], otherwise: Any) -> Any:
    try:
        return step(desk)
    except (ModelError, compose.RefusalError) as error:
        notes.append(f"{step.__name__.strip('_')} without a model ({error})")
        return otherwise


_SYSTEM = Fixed(
    "You help a security analyst. Names are pseudonyms and texts are handles such as <f1:cmdline len=80>: you never see them. "
    "Answer with JSON of the given schema and nothing else."
)


def _request(desk: Desk, parts: Sequence[Part], schema: dict[str, Any]) -> Request:
    return request(desk.model.name, Prompt((_SYSTEM,)), Prompt(tuple(parts)), schema, _ANSWER_TOKENS)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _entities(desk: Desk) -> dict[str, str]:
    """Pseudonym -> entity, of the first entities of the incident."""
    named = [entity for entity in desk.case.incident.entities if kind(entity) in _NAMED]
    return {desk.vault.pseudonym(entity): entity for entity in named[:MOST_ENTITIES]}


def _choose(desk: Desk) -> list[Answer]:
    names = _entities(desk)
    parts: list[Part] = [*_described(desk), Fixed("\nTools:")]
    parts += [Fixed(f" {name}") for name in TOOLS]
    parts += [Fixed(f"\nChoose at most {MOST_QUERIES} further questions.")]
    item = {"anyOf": _questions(names)}
    answer = desk.ask(_request(desk, parts, _object(queries={"type": "array", "items": item, "maxItems": MOST_QUERIES})))
    found = []
    for one in _items(answer, "queries")[:MOST_QUERIES]:
        tool, entity = _text(one, "tool"), names.get(_text(one, "entity"), "")
        if tool in TOOLS and kind(entity) in TOOLS[tool].kinds:
            incident = desk.case.incident
            found.append(ask(desk.records, Query(tool=tool, entity=entity, start=incident.start, end=incident.end)))
            desk.used.append(f"question {tool}")
        else:
            desk.refused.append("question")
    return found


def _questions(names: dict[str, str]) -> list[dict[str, Any]]:
    """What may be asked of entities of each kind, as schemas: a small model would ask a domain which files it wrote."""
    kinds = dict.fromkeys(kind(entity) for entity in names.values())
    return [
        _object(
            tool={"enum": [name for name, tool in TOOLS.items() if what in tool.kinds]},
            entity={"enum": [name for name, entity in names.items() if kind(entity) == what]},
        )
        for what in kinds
    ]


def _rank(desk: Desk) -> tuple[str, ...]:
    names = [h.name for h in HYPOTHESES]
    parts = [*_described(desk), Fixed("\nOrder the hypotheses, likeliest first: " + "; ".join(f"{h.name} ({h.means})" for h in HYPOTHESES))]
    answer = desk.ask(_request(desk, parts, _object(order={"type": "array", "items": {"enum": names}, "maxItems": len(names)})))
    order = tuple(dict.fromkeys(name for name in _items(answer, "order") if isinstance(name, str) and name in names))
    desk.used.append("order of hypotheses") if order else desk.refused.append("order of hypotheses")
    return order


def _claim(desk: Desk) -> list[Claim]:
    """Claims a model proposes: predicates about two entities, over events it names by number. Verified by whoever takes them."""
    names, told = _entities(desk), [t for t in desk.case.story if t.part == "event"][:MOST_CLAIMS]
    open_ = {p.name: p for p in PREDICATES.values() if set(p.args.values()) == {"entity"} and p.cites}
    item = _object(
        predicate={"enum": list(open_)}, first={"enum": list(names)}, second={"enum": list(names)},
        record={"enum": [f"c{n}" for n in range(len(told))]},
    )  # fmt: skip
    parts = [*_described(desk), Fixed("\nClaim what else the records show: predicates " + " ".join(open_))]
    answer = desk.ask(_request(desk, parts, _object(claims={"type": "array", "items": item, "maxItems": MOST_QUERIES})))
    claims = []
    for one in _items(answer, "claims")[:MOST_QUERIES]:
        predicate, record = open_.get(_text(one, "predicate")), _text(one, "record")
        entities = [names.get(_text(one, part), "") for part in ("first", "second")]
        cited = next((t.claim.events for n, t in enumerate(told) if record == f"c{n}"), ())
        if predicate is None or not all(entities[: len(predicate.args)]) or not cited or len(predicate.args) > len(entities):
            desk.refused.append("claim")
            continue
        claims.append(Claim(predicate=predicate.name, args=dict(zip(predicate.args, entities, strict=False)), events=cited))
        desk.used.append("claim, to be verified")
    return claims


def _join(desk: Desk) -> str:
    told = {f"c{n}": (t.claim, t.time) for n, t in enumerate(_tellable(desk.case)) if t.time}
    if not told:
        raise ModelError("there is nothing to join")
    parts = [
        *_described(desk),
        Fixed("\nWrite a summary: join clauses such as {c0}, in order of time, with words of: " + " ".join(sorted(compose.CONNECTIVES))),
    ]
    answer = desk.ask(_request(desk, parts, _object(summary={"type": "string", "pattern": compose.pattern(list(told))})))
    try:
        summary = compose.accept(_text(answer, "summary"), told)
    except compose.RefusalError as refusal:
        desk.refused.append(f"summary: {refusal}")
        raise
    desk.used.append("summary")
    return summary


def _read(desk: Desk) -> Suspicion:
    return read_texts(desk.records, desk.model, desk.budget, desk.requests)


def _tellable(case: Case) -> list[Told]:
    """The claims a model may join: first of all rules' matches, then what events say, in order of time."""
    told = [t for t in case.story if t.time and t.part in ("finding", "event")]
    chosen = sorted(told, key=lambda t: (t.claim.predicate == "Unusual", t.part != "finding"))[:MOST_CLAIMS]
    return sorted(chosen, key=lambda t: t.time or case.incident.start)


def _described(desk: Desk) -> list[Part]:
    """The incident as parts of a prompt: its entities and claims, in pseudonyms, handles and numbers."""
    parts: list[Part] = [Fixed("Entities:")]
    for name in _entities(desk):
        parts += [Fixed(" "), desk.vault.pseudonym(desk.vault.behind(name))]
    number = 0
    for place, told in enumerate(_tellable(desk.case)):
        parts += [Fixed(f"\n{{c{place}}} "), Fixed(told.claim.predicate)]
        for name, arg_kind in PREDICATES[told.claim.predicate].args.items():
            if arg_kind == "id":
                continue
            value = told.claim.args[name]
            parts += [Fixed(f" {name}=")]
            if arg_kind == "entity":
                parts += [desk.vault.pseudonym(value)]
            elif arg_kind in ("count", "bytes", "port"):
                parts += [int(value) if value.isascii() and value.isdigit() else 0]
            else:
                number += 1
                parts += [handle(number, name, value)]
    return parts


def _items(answer: Any, name: str) -> list[Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []


def _text(answer: Any, name: str) -> str:
    found = answer.get(name) if isinstance(answer, dict) else None
    return found if isinstance(found, str) else ""
