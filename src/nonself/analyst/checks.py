"""How a claim is checked: over the events it cites, over all records of the incident, or over the findings. Each check runs again from
the arguments alone; nothing of how the claim came about is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from nonself.analyst.queries import Query, ask
from nonself.analyst.records import ROLE_COLUMNS, Records, touches
from nonself.analyst.texts import families
from nonself.core.claim import Truth
from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.schema import ATTACKER_WRITABLE

Args = Mapping[str, str]
Outcome = tuple[Truth, str]
Check = Callable[[Args, Events, Records], Outcome]
Test = Callable[[str], pl.Expr]

VERIFIED: Outcome = ("verified", "")


def refuted(why: str) -> Outcome:
    return "refuted", why


def unverifiable(why: str) -> Outcome:
    return "unverifiable", why


def column(*names: str) -> Test:
    """Whether one of the columns holds exactly the argument."""
    return lambda value: pl.any_horizontal((pl.col(name).cast(pl.String) == value).fill_null(False) for name in names)


def roles(*names: str) -> Test:
    """Whether the argument is the entity in one of the roles."""
    return lambda value: pl.any_horizontal((pl.col("@" + name) == value).fill_null(False) for name in names)


def every(*classes: int, where: pl.Expr | None = None, **tests: Test) -> Check:
    """Every cited event is of one of the OCSF `classes` (any, if none is given), meets `where`, and passes the test of each argument."""

    def check(args: Args, cited: Events, records: Records) -> Outcome:
        conditions = [tests[name](args[name]) for name in tests]
        if classes:
            conditions.append(pl.col("class_uid").is_in(classes))
        if where is not None:
            conditions.append(where)
        met = cited.select(pl.all_horizontal(conditions).fill_null(False).alias("met"))["met"]
        return VERIFIED if met.all() else refuted(f"{cited.height - int(met.sum())} of the cited events do not say so")

    return check


def amount(flows: Check, name: str) -> Check:
    """`flows` holds, and the cited events sent at least args[`name`] bytes in sum."""

    def check(args: Args, cited: Events, records: Records) -> Outcome:
        outcome = flows(args, cited, records)
        if outcome[0] != "verified":
            return outcome
        wanted = _number(args[name])
        if wanted is None:
            return unverifiable("the amount is not a number")
        sent = int(cited["bytes_out"].fill_null(0).clip(lower_bound=0).sum())
        return VERIFIED if sent >= wanted else refuted("the cited events add up to less")

    return check


def first_seen(args: Args, cited: Events, records: Records) -> Outcome:
    """No record that touches args["entity"] is earlier than args["time"], and the cited events hold the first."""
    when = moment(args["time"])
    if when is None or not records.complete:
        return unverifiable("the time can't be read" if when is None else _CUT)
    first = records.touching(args["entity"])["time"].min()
    if first != when:
        return refuted("there is an earlier record, or none at that time")
    touching = cited.select(touches(args["entity"]).all()).item()
    return VERIFIED if touching and first in cited["time"].to_list() else refuted("the cited events are not the first")


def met_by(args: Args, cited: Events, records: Records) -> Outcome:
    """Exactly args["count"] entities of the kind args["peers"] appear in records with args["entity"]."""
    count = _number(args["count"])
    if count is None or args["peers"] not in ROLE_COLUMNS or not records.complete:
        return unverifiable("the arguments can't be read" if records.complete else _CUT)
    return VERIFIED if len(peers(records, args["entity"], args["peers"])) == count else refuted("the number is another")


def peers(records: Records, entity: str, peer_kind: str) -> set[str]:
    """Entities of `peer_kind` that share an event with `entity`, itself left out. A destination is nobody who met it."""
    names = [name for name in ROLE_COLUMNS[peer_kind] if name not in ("@dst_ip", "@dst_host")]
    met = records.touching(entity).select(names)
    return {value for name in names for value in met[name].drop_nulls().unique().to_list()} - {entity}


def count_over(args: Args, cited: Events, records: Records) -> Outcome:
    """At least args["count"] records touch args["entity"] between args["start"] and args["end"]. A cut lake can only hold more."""
    window, count = _window(args), _number(args["count"])
    if window is None or count is None:
        return unverifiable("the arguments can't be read")
    found = records.touching(args["entity"]).filter(pl.col("time").is_between(*window)).height
    if found >= count:
        return VERIFIED
    return refuted("there are fewer") if records.complete else unverifiable(_CUT)


def nothing_found(args: Args, cited: Events, records: Records) -> Outcome:
    """The query args["tool"] about args["entity"] between args["start"] and args["end"] gives nothing."""
    window = _window(args)
    if window is None or not records.complete:
        return unverifiable("the times can't be read" if window is None else _CUT)
    answer = ask(records, Query(tool=args["tool"], entity=args["entity"], start=window[0], end=window[1]))
    return refuted("there is something") if answer.n else VERIFIED


def found_by(*prefixes: str, negate: bool = False) -> Check:
    """The finding args["finding"] is of this incident or beside it, has that title and entity, rests on the cited events, and is of a
    detector whose name begins with one of `prefixes` (with none of them, if `negate`)."""

    def check(args: Args, cited: Events, records: Records) -> Outcome:
        finding = records.findings.get(args["finding"]) or next((f for f in records.near if f.id == args["finding"]), None)
        if finding is None:
            return unverifiable("there is no such finding in this incident or beside it")
        if finding.detector.startswith(prefixes) == negate:
            return refuted("the finding is of another kind")
        if (finding.title, finding.entity) != (args["title"], args["entity"]) or not _bits(args, finding):
            return refuted("the finding says something else")
        return VERIFIED if set(cited["uid"]) <= set(finding.events) else refuted("the finding rests on other events")

    return check


def _bits(args: Args, finding: Finding) -> bool:
    return args.get("bits", f"{finding.bits:.1f}") == f"{finding.bits:.1f}"


def instructing(args: Args, cited: Events, records: Records) -> Outcome:
    """In every cited event, the attacker-writable column args["column"] holds text of the family args["family"] (`texts.families`)."""
    name = args["column"]
    if name not in ATTACKER_WRITABLE or name not in cited.columns or cited.schema[name] != pl.String:
        return unverifiable("there is no such column of text")
    met = [args["family"] in families(value or "") for value in cited[name]]
    return VERIFIED if all(met) else refuted("the text is of another kind")


_CUT = "the incident touches more records than are read"


def _window(args: Args) -> tuple[datetime, datetime] | None:
    start, end = moment(args["start"]), moment(args["end"])
    return (start, end) if start and end else None


def moment(text: str) -> datetime | None:
    """An ISO 8601 time with its zone, or None."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
