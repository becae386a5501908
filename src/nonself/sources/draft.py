"""A mapping drafted from a sample: columns guessed by what fields are called and what their values look like, the rest listed.

Everything that comes from the sample is written so that it can't end its quotes or its comment, and is shown with controls escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from json import dumps

import polars as pl

from nonself.core import safe
from nonself.sources.contract import Input
from nonself.sources.draft_names import COLUMNS, FAILURE, FORMATS, OUTCOMES, SUCCESS, TIMES
from nonself.sources.draft_sample import Field, Sample, take
from nonself.sources.mapped import times
from nonself.sources.paths import path

_SHOWN = 60
"""Characters of an example."""
_FITS = 0.9
"""Share of values that must have a column's shape."""
_LOGIN = re.compile(r"(?:log|sign)(?:ged|ed)?[-_. ]?(?:in|on)|authenticat", re.IGNORECASE)
_LOGOUT = re.compile(r"(?:log|sign)(?:ged|ed)?[-_. ]?(?:out|off)", re.IGNORECASE)
_SAY = {"ip": '{{ from = {0}, as = "ip" }}', "hash": '{{ from = {0}, as = "hash" }}', "file": "{0}"}

_IN_TWO = {"url_path": ("://", "url_path", "url_host", "url_host"), "user": ("\\", "account", "user_domain", "account_domain")}
"""Columns whose values may hold another's too: what marks these values, the transform, the other column and its transform."""


@dataclass(slots=True)
class Draft:
    """A mapping in the making. `unmapped` are fields without a column, with an example each."""

    name: str
    sample: Sample
    time: str = ""
    format: str = ""
    columns: dict[str, Field] = field(default_factory=dict)
    outcome: Field | None = None
    unmapped: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The mapping as TOML, to be edited."""
        return "\n".join([*_heading(self), *_recognise(self), *_time(self), *_columns(self), *_classes(self), *_rest(self)]) + "\n"


def draft(source_input: Input, name: str) -> Draft:
    """A draft for the records of an input. UsageError where they are neither JSON nor CSV."""
    made = Draft(name_of(name), take(source_input))
    fields = dict(made.sample.fields)
    made.time, made.format = _when(fields)
    fields.pop(made.time, None)
    outcomes = _ranked(fields, OUTCOMES)
    made.outcome = next((one for one in outcomes if _is_outcome(one)), None)
    for column, shape, names in COLUMNS:
        for one in _ranked(fields, names):
            if one is not made.outcome and one.share(shape) >= _FITS and (shape != "word" or one.few or column == "svc"):
                made.columns[column] = fields.pop(one.name)
                break
    _by_shape(made, fields)
    if made.outcome is not None:
        fields.pop(made.outcome.name, None)
    made.unmapped = {one.name: _example(one) for one in fields.values()}
    return made


def name_of(text: str) -> str:
    """A name for a mapping out of any text."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")
    return name if name[:1].isalpha() else f"own-{name}".strip("-")[:64]


def _by_shape(made: Draft, fields: dict[str, Field]) -> None:
    """Columns that nothing is called like, by their values alone."""
    for column, shape in (("src_ip", "ip"), ("user", "email"), ("user_agent", "agent"), ("hash", "hash")):
        found = next((one for one in fields.values() if one.share(shape) >= _FITS), None)
        if column not in made.columns and found is not None:
            made.columns[column] = fields.pop(found.name)


def _ranked(fields: dict[str, Field], names: tuple[str, ...]) -> list[Field]:
    """Fields that are called one of these names, or end in one, the best first."""
    scored = []
    for place, one in enumerate(fields.values()):
        words = _plain(one.name)
        last = words[-1] if words else ""
        best = min((_distance(words, last, name, rank) for rank, name in enumerate(names)), default=9.0)
        if best < 9.0:
            scored.append((best, -one.count, place, one))
    return [one for *_, one in sorted(scored, key=lambda item: item[:3])]


def _distance(words: list[str], last: str, name: str, rank: int) -> float:
    whole = "_".join(words)
    closeness = 0.0 if name in (whole, whole.replace("_", "")) else 1.0 if whole.endswith("_" + name) else 2.0 if last == name else 9.0
    return closeness + rank / 100 if closeness < 9 else 9.0


def _plain(name: str) -> list[str]:
    """The words of a field's name, of all its members: `actor.userEmail` is actor, user, email."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"\.\d+(?=\.|$)", "", name))
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def _when(fields: dict[str, Field]) -> tuple[str, str]:
    """The field that holds the time and, where it must be told, its format; a name nobody has where none looks like one."""
    named = _ranked(fields, TIMES)
    for one in [*named, *(one for one in fields.values() if one not in named)]:
        values = pl.Series("t", list(one.values), dtype=pl.String)
        by_name = one in named
        if (by_name or not one.share("number")) and _read(values.to_frame().select(times(pl.col("t"))).to_series(), years=not by_name):
            return one.name, ""
        for form in FORMATS:
            if _read(values.str.to_datetime(form, time_unit="us", strict=False, ambiguous="null")):
                return one.name, form
    return next(name for name in ("time", "the time", "the time of it") if name not in fields), ""


def _read(found: pl.Series, *, years: bool = False) -> bool:
    """Whether all values were read as times, of years that logs are of."""
    year = found.dt.year()
    return found.len() > 0 and found.null_count() == 0 and bool(((year >= 1990) & (year <= 2100)).all())


def _is_outcome(one: Field) -> bool:
    words = [value.lower() for value in one.values]
    known = sum(word in SUCCESS or word in FAILURE for word in words)
    return len(words) <= 12 and known > 0 and known >= len(words) / 2 and not all(word.isdigit() for word in words)


def _heading(made: Draft) -> list[str]:
    sample = made.sample
    lines = [
        f"# Drafted from {sample.records:,} records. Behind each `#` stands an example. Check, edit, and use it with `--map FILE`;",
        "# docs/mapping.md says what can stand here.",
        f'name = "{made.name}"',
        f"title = {_quoted(made.name)}",
    ]
    nothing = [value for value in ("-", "N/A", "null", "None") if any(value in one.values for one in sample.fields.values())]
    if nothing:
        lines.append(f"nothing = {_listed(['', *nothing])}")
    if sample.kind == "csv":
        lines += ["", "[read]", 'as = "csv"', f"delimiter = {_quoted(sample.separator)}"]
    return lines


def _recognise(made: Draft) -> list[str]:
    """Fields that every record has, the mapped ones first; lists are not looked into."""
    sample = made.sample
    wanted = [made.time, *(one.name for one in made.columns.values()), *sample.fields]
    always = [
        name for name in dict.fromkeys(wanted)
        if name in sample.fields and (sample.fields[name].count == sample.records or sample.kind == "csv") and _is_plain(name, sample)
    ]  # fmt: skip
    most = [name for name in sorted(sample.fields, key=lambda name: -sample.fields[name].count) if _is_plain(name, sample)]
    lines = ["", "[recognise]", f"has = {_listed(always[:4] or most[:1])}"]
    return [*lines, f"inside = {_listed([sample.inside])}"] if sample.inside else lines


def _is_plain(name: str, sample: Sample) -> bool:
    return sample.kind == "csv" or not any(step.member.isdigit() for step in path(name))


def _time(made: Draft) -> list[str]:
    lines = ["", "[time]", f"from = {_listed([made.time])}{_comment(made.sample.fields.get(made.time))}"]
    if made.time not in made.sample.fields:
        lines.insert(2, "# No field looks like a time: name the one that is.")
    if made.format:
        lines.append(f"format = {_quoted(made.format)}  # check which is the day and which the month")
    return lines


def _columns(made: Draft) -> list[str]:
    lines = ["", "[columns]"]
    shapes = {column: shape for column, shape, _ in COLUMNS}
    for column, one in made.columns.items():
        mark, transform, other, others = _IN_TWO.get(column, ("", "", "", ""))
        if mark and all(mark in value for value in one.values):
            lines.append(f'{column} = {{ from = {_quoted(one.name)}, as = "{transform}" }}{_comment(one)}')
            lines += [] if other in made.columns else [f'{other} = {{ from = {_quoted(one.name)}, as = "{others}" }}']
            continue
        said = _SAY.get(shapes[column], "{0}").format(_quoted(one.name))
        lines.append(f"{column} = {said}{_comment(one)}")
    if made.outcome is not None:
        words = list(made.outcome.values)
        told = [f"{_quoted(word)} = {1 if word.lower() in SUCCESS else 2}" for word in words if word.lower() in SUCCESS | FAILURE]
        lines.append(f"status_id = {{ from = {_quoted(made.outcome.name)}, map = {{ {', '.join(told)} }} }}  # 1 success, 2 failure")
        rest = [_shown(word) for word in words if word.lower() not in SUCCESS | FAILURE]
        lines += [f"# of its values these are neither yet: {', '.join(rest)}"] if rest else []
    return lines


def _classes(made: Draft) -> list[str]:
    """Log-ons by what operations are called; everything else by which columns there are."""
    lines: list[str] = []
    operations = made.columns["op"].values if "op" in made.columns else {}
    for pattern, activity, what in ((_LOGOUT, 2, "log-offs"), (_LOGIN, 1, "log-ons")):
        found = [value for value in operations if pattern.search(value) and "*" not in value][:20]
        if found:
            lines += [
                "",
                f"[[class]]  # Authentication: {what}",
                f"when = {{ op = {_listed(found)} }}",
                "class = 3002",
                f"activity = {activity}",
            ]
    has = made.columns.keys()
    if "rule" in has:
        return [*lines, "", "[[class]]  # Detection Finding", "class = 2004", "activity = 1"]
    if has & {"http_status", "http_method", "url_path"}:
        return [*lines, "", "[[class]]  # HTTP Activity", "class = 4002", "activity = 99"]
    if "query" in has:
        return [*lines, "", "[[class]]  # DNS Activity", "class = 4003", "activity = 1"]
    if {"src_ip", "dst_ip"} <= has and "user" not in has:
        return [*lines, "", "[[class]]  # Network Activity", "class = 4001", "activity = 6"]
    return [*lines, "", "[[class]]  # API Activity; the operation's first word tells which", "class = 6003", 'activity = "verb"']


def _rest(made: Draft) -> list[str]:
    if not made.unmapped:
        return ["", "# Every field is mapped."]
    lines = ["", "# Not mapped (rules and searches find these by their names all the same). To map one, move it up:"]
    return lines + [f"#   {_quoted(name)}  # {example}" for name, example in made.unmapped.items()]


def _comment(one: Field | None) -> str:
    return "" if one is None else f"  # {_example(one)}"


def _example(one: Field) -> str:
    return _shown(next(iter(one.values)))


def _shown(value: str) -> str:
    return safe.terminal(safe.shorten(value, _SHOWN))


def _listed(values: list[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(text: str) -> str:
    """A TOML string that holds exactly the text and shows no control."""
    body = "".join(char if safe.terminal(char) == char else _escape(char) for char in dumps(text, ensure_ascii=False)[1:-1])
    return f'"{body}"'


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"
