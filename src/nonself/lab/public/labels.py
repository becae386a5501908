"""What a set says its records are: from a cell of the record itself, from files that name records, or from stretches of time on a host.

A label is a kind (`ATTACK`, or `ATTEMPT` where the set says that an attack came to nothing) and a name: the step that a record is part of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

import polars as pl

from nonself.core import entities
from nonself.core.errors import UsageError
from nonself.core.events import Events
from nonself.core.schema import TIME
from nonself.sources.contract import Input, Limits
from nonself.sources.csv_alerts_lines import cells
from nonself.sources.lines import head_lines, split
from nonself.sources.mapped import times
from nonself.sources.records import decode

ATTACK, ATTEMPT = "attack", "attempt"
MOST = 1_000_000
"""Labels read from files at most; more are an error, since half a truth would judge wrongly."""
SPANS = 1_000
NAME = 80
"""Characters of a name that are kept."""


@dataclass(frozen=True, slots=True)
class Labels:
    """`tell` gives columns `kind` ("": ordinary, null: the record itself does not say) and `name` (of attacks and attempts), a row for each
    event; `held` says whether an input holds labels instead of records; `known` whether such files were there."""

    tell: Callable[[Events], pl.DataFrame]
    held: Callable[[Input], bool] = lambda _: False
    known: bool = False


def cic(inputs: Iterable[Input]) -> Labels:
    """The column Label: BENIGN, an attack, or an attack and `- Attempted` where no payload got through."""
    label = _cell("Label")
    attempt = label.str.contains(r"(?i)-\s*attempted$")
    kind = pl.when(attempt).then(pl.lit(ATTEMPT)).when(label.str.to_uppercase() == "BENIGN").then(pl.lit("")).otherwise(pl.lit(ATTACK))
    return _inside(label, kind, label.str.replace(r"(?i)\s*-\s*attempted$", ""))


def unsw(inputs: Iterable[Input]) -> Labels:
    """Label is 1 for attacks, attack_cat tells the kind of attack."""
    label = _cell("Label")
    return _inside(label, label.replace_strict({"1": ATTACK, "0": ""}, default=None), _cell("attack_cat").fill_null("unnamed"))


def ctu(inputs: Iterable[Input]) -> Labels:
    """Flows `From-Botnet` are the attack; what follows the number of the capture tells what the bot did."""
    label = _cell("Label")
    kind = pl.when(label.str.contains("From-Botnet", literal=True)).then(pl.lit(ATTACK)).otherwise(pl.lit(""))
    name = label.str.extract(r"From-Botnet(?:-V[0-9]+)?-?(.*)$")
    return _inside(label, kind, pl.when(name == "").then(pl.lit("Botnet")).otherwise(name))


def _cell(name: str) -> pl.Expr:
    return pl.col("ext").str.json_path_match(f"$.{name}").str.strip_chars()


def _inside(label: pl.Expr, kind: pl.Expr, name: pl.Expr) -> Labels:
    def tell(events: Events) -> pl.DataFrame:
        told = events.select(pl.when(label != "").then(kind).alias("kind"), name.str.head(NAME).alias("name"))
        return told.with_columns(pl.when(pl.col("kind") != "").then("name"))

    return Labels(tell)


def lanl(inputs: Iterable[Input]) -> Labels:
    """`redteam.txt`: time, user, source and destination computer of authentications. The name is the account that was used."""
    rows = list(islice((row for one in inputs if _is_redteam(one) for row in _rows(one, 4)), MOST + 1))
    _capped(len(rows))
    schema = {"second": pl.Int64, "who": pl.String, "from": pl.String, "to": pl.String}
    known = [(int(row[0]), *(cell.lower() for cell in row[1:])) for row in rows if row[0].isdigit() and len(row[0]) < 16]
    red = pl.DataFrame(known, schema=schema, orient="row").unique().with_columns(pl.lit(ATTACK).alias("kind"), pl.col("who").alias("name"))

    def tell(events: Events) -> pl.DataFrame:
        at = events.select(
            (pl.col("time").dt.epoch("s")).alias("second"), _account("user", "user_domain").alias("who"),
            _account("tgt_user", "tgt_domain").alias("other"), pl.col("src_host").str.to_lowercase().alias("from"),
            pl.when(pl.col("source") == "lanl-auth").then(pl.col("host").str.to_lowercase()).alias("to"),
        )  # fmt: skip
        first = at.join(red, on=["second", "who", "from", "to"], how="left", maintain_order="left")
        other = at.drop("who").rename({"other": "who"}).join(red, on=["second", "who", "from", "to"], how="left", maintain_order="left")
        return first.select(pl.coalesce(pl.col(name), other[name]).alias(name) for name in ("kind", "name"))

    return Labels(tell, _is_redteam, known=bool(known))


def _account(user: str, domain: str) -> pl.Expr:
    return pl.concat_str(pl.col(user), pl.lit("@"), pl.col(domain)).str.to_lowercase()


def _is_redteam(one: Input) -> bool:
    return _first(one, lambda row: len(row) == 4 and row[0].isdigit() and "@" in row[1] and "@" not in row[2] + row[3])


_CERT_KINDS = ("logon", "device", "file", "email", "http")


def cert(inputs: Iterable[Input]) -> Labels:
    """The files of `answers`: one a culprit, each line the kind and id of a record that is part of the deed. The name is the file's."""
    found: dict[str, str] = {}
    for one in inputs:
        if _is_answer(one):
            name = PurePosixPath(one.origin.rpartition("!")[2]).stem[:NAME]
            for row in _rows(one, 2):
                found.setdefault(row[1][:64], name)
                _capped(len(found))
    names = pl.DataFrame({"id": list(found), "name": list(found.values())}, schema={"id": pl.String, "name": pl.String})

    def tell(events: Events) -> pl.DataFrame:
        told = events.select(_cell("id").alias("id")).join(names, on="id", how="left", maintain_order="left")
        return told.select(pl.when(pl.col("name").is_not_null()).then(pl.lit(ATTACK)).alias("kind"), "name")

    return Labels(tell, _is_answer, known=bool(found))


def _is_answer(one: Input) -> bool:
    return _first(one, lambda row: len(row) > 4 and row[0] in _CERT_KINDS and row[1].startswith("{"))


def spans(inputs: Iterable[Input]) -> Labels:
    """A CSV file that people write: `host,start,end,step`. All that a host does from start to end (ISO 8601) is of the attack."""
    rows = list(islice((row for one in inputs if _is_spans(one) for row in _rows(one, 4)), SPANS + 1))
    if len(rows) > SPANS:
        raise UsageError(expected=f"at most {SPANS:,} stretches of time", got="more", do="join those that follow each other")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("host", "start", "end", "name"), pl.String), orient="row")
    stretches = frame.select(
        entities.host().alias("entity"), times(pl.col("start")), times(pl.col("end")), pl.col("name").str.head(NAME)
    ).drop_nulls()

    def tell(events: Events) -> pl.DataFrame:
        rows = events.select(entities.host().alias("entity"), "time").with_columns(pl.lit(None, dtype=pl.String).alias("name"))
        for entity, start, end, name in stretches.iter_rows():
            within = (pl.col("entity") == entity) & pl.col("time").is_between(pl.lit(start, TIME), pl.lit(end, TIME))
            rows = rows.with_columns(pl.when(within).then(pl.coalesce("name", pl.lit(name))).otherwise("name").alias("name"))
        return rows.select(pl.when(pl.col("name").is_not_null()).then(pl.lit(ATTACK)).alias("kind"), "name")

    return Labels(tell, _is_spans, known=stretches.height > 0)


def _is_spans(one: Input) -> bool:
    return _first(one, lambda row: [cell.strip().lower() for cell in row] == ["host", "start", "end", "step"])


def harmless(inputs: Iterable[Input]) -> Labels:
    """Nothing in it is an attack."""
    return Labels(lambda events: events.select("uid").with_columns(kind=pl.lit(""), name=pl.lit(None, dtype=pl.String)).drop("uid"))


def _first(one: Input, held: Callable[[list[str]], bool]) -> bool:
    line = next(iter(head_lines(one.head, 1)), b"")[:4_096]
    return held(cells(decode(line), ",") or [])


def _rows(one: Input, width: int) -> Iterator[list[str]]:
    """The first `width` cells of each line that has so many."""
    for block in split(one, Limits()):
        for line in block.lines:
            row = cells(decode(line.strip()[:4_096]), ",") or []
            if len(row) >= width:
                yield [cell.strip() for cell in row[:width]]


def _capped(count: int) -> None:
    if count > MOST:
        raise UsageError(expected=f"at most {MOST:,} labels", got="more", do="give the part of the set that you need")
