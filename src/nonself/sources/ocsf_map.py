"""From an OCSF event to event columns: `ocsf_paths` read the other way, and what other producers write where ours does not.

Not read back from an event of our own: uid, source, origin, record, ext, raw and map_ver, which belong to the file being read; whether an
unknown severity or activity was 0 or absent; and who acted where a logon names only whom it acted on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from nonself.core.errors import RecordError
from nonself.core.schema import HOT
from nonself.sources.flows_csv_read import PROTOCOLS
from nonself.sources.ocsf_paths import NONSELF, PATHS, classes, places
from nonself.sources.records import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAP_VER = 2
_OURS = ("uid", "source", "origin", "record", "map_ver")
COLUMNS = tuple(name for name in HOT if name not in (*_OURS, "time"))
"""Columns that `row` may fill; `time` is apart."""
_MOST_MS = 253_402_300_800_000  # the year 10000
_TAIL = {"ja3": ".value", "hassh": ".value"}
_DEPTH = 8

_PARENT = {
    "actor.process.uid": "parent_guid", "actor.process.pid": "parent_pid", "actor.process.file.path": "parent_image",
    "actor.process.cmd_line": "parent_cmdline",
}  # fmt: skip
_ALSO: tuple[tuple[str, str], ...] = (
    ("op", "api.operation"), ("host", "device.name"), ("src_host", "src_endpoint.name"), ("dst_host", "dst_endpoint.name"),
    ("src_host", "src_endpoint.svc_name"), ("dst_host", "dst_endpoint.svc_name"), ("cred", "actor.user.credential_uid"),
    ("cred", "user.credential_uid"), ("mfa", "session.is_mfa"), ("image", "process.path"), ("image", "process.name"),
    ("rule", "finding.title"), ("rule", "finding_info.analytic.name"), ("tactics", "attacks"), ("url_path", "http_request.url.url_string"),
    ("url_path", "url.url_string"), ("role", "actor.invoked_by"), ("hash", "process.file.hashes"),
    ("hash", "evidences[].process.file.hashes"),
    ("account", "cloud.account_uid"), ("account", "actor.user.account.uid"), ("account", "actor.user.account_uid"),
    ("status_code", "api.response.error"), ("status_code", "status_detail"), ("rule", "finding_info_list[].title"),
    ("proto", "connection_info.protocol_num"), ("svc", "api.service.name"), ("src_ip", "evidences[].src_endpoint.ip"),
    ("session", "connection_info.uid"), ("session", "actor.session.uid"), ("user", "evidences[].user.name"),
    ("user", "evidences[].actor.user.name"), ("host", "evidences[].device.hostname"), ("user_domain", "actor.user.domain"),
)  # fmt: skip
"""Where other producers put what a column says; read where its own place is empty."""


def microseconds(record: Record) -> int:
    """When it happened, since 1970. RecordError "not-ocsf" for another kind of object, "bad-time" where the time can't be read."""
    if type(record.get("class_uid")) is not int or not isinstance(record.get("metadata"), dict):
        raise RecordError("not-ocsf", "expected class_uid and metadata")
    if isinstance(text := record.get("time_dt"), str):
        return _instant(text)
    time = record.get("time")
    if type(time) is not int or not 0 <= time < _MOST_MS:
        raise RecordError("bad-time", f"expected milliseconds since 1970, got {str(time)[:40]!r}")
    return time * 1_000


def row(record: Record) -> Record:
    """The event columns of one record, less `time`."""
    class_uid, activity = record["class_uid"], _integer(record.get("activity_id"))
    class_uid = class_uid if class_uid in classes() else 0
    flat: Record = {}
    _flatten("", record, flat, _DEPTH)
    cells: Record = {"class_uid": class_uid, "activity_id": activity, "severity_id": _integer(record.get("severity_id")) or None}
    places_of = _inverse(class_uid, _has_target(class_uid, activity, record))
    for path, value in flat.items():
        column = places_of.get(path)
        if column is not None:
            cells[column] = _CONVERT[column](value) if column in _CONVERT else value
    if isinstance(flat.get("api.operation"), str) and class_uid == 6003:
        cells["op"] = flat["api.operation"]  # Amazon Security Lake's event code is the kind of call alone
    _own_words(cells, flat)
    _elsewhere(cells, flat, class_uid, activity)
    _restored(cells, record)
    return cells


def _has_target(class_uid: int, activity: int | None, record: Record) -> bool:
    """Whether the event stands as one with a target does: see `ocsf_paths.TARGETS`."""
    actor = record.get("actor")
    if not isinstance(actor, dict):
        return False
    return bool(actor.get("process")) and activity != 1 if class_uid == 1007 else class_uid in (3002, 3003) and bool(actor.get("user"))


@lru_cache(maxsize=256)
def _inverse(class_uid: int, target: bool) -> dict[str, str]:
    return {path + _TAIL.get(column, ""): column for column, path in places(class_uid, target).items() if column not in _OURS}


def _flatten(prefix: str, value: Record, flat: Record, depth: int) -> None:
    """Values by path. A list stands under its path, its first object's fields under `path[]`."""
    for name, item in value.items():
        kind = type(item)
        if kind is dict:
            if depth:
                _flatten(f"{prefix}{name}.", item, flat, depth - 1)
        elif item is not None:
            flat[prefix + name] = item
            if kind is list and item and depth and type(item[0]) is dict:
                _flatten(f"{prefix}{name}[].", item[0], flat, depth - 1)


def _own_words(cells: Record, flat: Record) -> None:
    """What two columns share, or one takes from two attributes."""
    if flat.get("file.type_id") == 6 and "file.path" not in flat:
        cells["pipe"] = flat.get("file.name")
    elif cells.get("pipe") is not None and "share" not in flat:
        cells["pipe"] = None
    if "reg_value.path" in flat and isinstance(name := flat.get("reg_value.name"), str):
        cells["reg_key"] = f"{flat['reg_value.path']}\\{name}"
    if cells.get("service") is not None and flat.get("job.name") == flat.get("job.cmd_line", ""):
        cells["service"] = None  # a job known by its command alone
    if cells.get("direction_id") == 0:
        cells["direction_id"] = None


def _elsewhere(cells: Record, flat: Record, class_uid: int, activity: int | None) -> None:
    for column, path in _ALSO:
        if cells.get(column) is None and path in flat and not isinstance(flat[path], dict):
            value = flat[path]
            if path.endswith("_endpoint.name") and value == flat.get("device.hostname"):
                continue  # our own stand-in for an end that the record does not name
            if path.endswith("url_string") and value == cells.get("url_host"):
                continue
            cells[column] = _CONVERT[column](value) if column in _CONVERT else value
    if class_uid == 1007 and activity == 1:
        for path, column in _PARENT.items():
            if cells.get(column) is None:
                cells[column] = flat.get(path)


def _restored(cells: Record, record: Record) -> None:
    """Columns that our own export kept under their own names."""
    unmapped = record.get("unmapped")
    kept = unmapped.get(NONSELF) if isinstance(unmapped, dict) else None
    if isinstance(kept, dict):
        cells.update({name: kept[name] for name in COLUMNS if name in kept})


def _integer(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _milliseconds(value: Any) -> int | None:
    return value * 1_000 if type(value) is int and 0 <= value < 2**53 else None


def _strongest(value: Any) -> str | None:
    """The longest digest of a list of fingerprints, in lower case."""
    digests = (
        [one["value"] for one in value if isinstance(one, dict) and isinstance(one.get("value"), str)] if isinstance(value, list) else []
    )
    return max(digests, key=len).lower() if digests else None


def _answers(value: Any) -> list[str] | None:
    found = (
        [one["rdata"] for one in value if isinstance(one, dict) and isinstance(one.get("rdata"), str)] if isinstance(value, list) else []
    )
    return found or None


def _attacks(value: Any) -> list[str] | None:
    """Ids, the most precise one of each entry; names where there is no id."""
    found: list[str] = []
    for one in value if isinstance(value, list) else []:
        parts = [
            one[name] for name in ("sub_technique", "technique", "tactic") if isinstance(one, dict) and isinstance(one.get(name), dict)
        ]
        words = [part.get(key) for key in ("uid", "name") for part in parts]
        found += [word for word in words if isinstance(word, str)][:1]
    return found or None


def _signed(value: Any) -> bool | None:
    first = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
    return None if "state_id" not in first else first["state_id"] == 1


def _ja4(value: Any) -> str | None:
    found = [one.get("value") for one in value if isinstance(one, dict) and one.get("type_id") == 1] if isinstance(value, list) else []
    return next((one for one in found if isinstance(one, str)), None)


def _joined(value: Any) -> str | None:
    if isinstance(value, list):
        return " ".join(one for one in value if isinstance(one, str)) or None
    return value if isinstance(value, str) else None


def _logon_type(value: Any) -> int | None:
    """OCSF's 1, System, is Windows' 0."""
    return 0 if value == 1 else value if type(value) is int and value > 1 else None


def _protocol(value: Any) -> Any:
    """A protocol's name where its number stands; -1 is none."""
    return PROTOCOLS.get(str(value)) if type(value) is int else value


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "duration_us": _milliseconds, "hash": _strongest, "answers": _answers, "tactics": _attacks, "signed": _signed, "ja4": _ja4,
    "priv": _joined, "logon_type": _logon_type, "proto": _protocol,
}  # fmt: skip
assert set(_CONVERT) <= set(PATHS)


def _instant(text: Any) -> int:
    """Microseconds since 1970 of a time in ISO 8601, UTC where it names no zone. RecordError "bad-time" for anything else."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        since = (found - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        since = -1
    if since < 0:
        raise RecordError("bad-time", f"expected a time of the years 1970 to 9999 in ISO 8601, got {str(text)[:40]!r}")
    return since
