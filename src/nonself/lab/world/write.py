"""The journal: takes records in any order, writes each day's files in the order a collector would have met them, and the truth beside them.

Records and their truth are held for the days that are still open only. A few are lost and a few arrive twice; which ones is decided by
their content, so that a change elsewhere does not change it.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
import orjson

from nonself.lab.world.clock import DAY, HOUR, iso, stream, when

LOST, TWICE = 2, 4
"""Of 8,192 records this many never arrive, and this many more arrive twice (a sensor beside the wire repeats nothing)."""

Kind = str
"""What a record is: a key of `FILES`, `cloudtrail`, or `zeek/<log>`."""
FILES: dict[Kind, str] = {
    "windows": "windows.jsonl.gz",
    "linux": "linux/auth.log",
    "audit": "linux/audit.log",
    "okta": "okta.jsonl.gz",
    "m365": "m365.jsonl.gz",
    "eve": "eve.jsonl.gz",
}
"""Kind -> its file in a day's folder, a record a line (five lines in `audit`)."""

ZEEK_LOGS: dict[str, tuple[str, str]] = {
    "conn": (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp "
        "missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents",
        "time string addr port addr port enum string interval count count string bool bool "
        "count string count count count count set[string]",
    ),
    "dns": (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name "
        "AA TC RD RA Z answers TTLs rejected",
        "time string addr port addr port enum count interval string count string count string count string "
        "bool bool bool bool count vector[string] vector[interval] bool",
    ),
    "http": (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth method host uri referrer version user_agent origin request_body_len "
        "response_body_len status_code status_msg info_code info_msg tags username password proxied orig_fuids orig_filenames "
        "orig_mime_types resp_fuids resp_filenames resp_mime_types",
        "time string addr port addr port count string string string string string string string count "
        "count count string count string set[enum] string string set[string] vector[string] vector[string] "
        "vector[string] vector[string] vector[string] vector[string]",
    ),
    "ssl": (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version cipher curve server_name resumed last_alert next_protocol established "
        "ssl_history cert_chain_fps client_cert_chain_fps sni_matches_cert validation_status ja3 ja3s",
        "time string addr port addr port string string string string bool string string bool "
        "string vector[string] vector[string] bool string string string",
    ),
    "dhcp": (
        "ts uids client_addr server_addr mac host_name client_fqdn domain requested_addr assigned_addr lease_time client_message "
        "server_message msg_types duration",
        "time set[string] addr addr string string string string addr addr interval string string vector[string] interval",
    ),
    "ssh": (
        "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version auth_success auth_attempts direction client server cipher_alg mac_alg "
        "compression_alg kex_alg host_key_alg host_key",
        "time string addr port addr port count bool count enum string string string string string string string string",
    ),
}
"""Zeek log -> its field names and types."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the truth: which record of which file belongs to what.

    kind       "campaign", "benign trigger", or "attempt" (from outside, in vain); `name` tells which one
    step       the step of the campaign, else the name again; `action` numbers what was done, so one action may have several marks
    technique  ATT&CK technique id, "" for benign triggers
    time       when it happened, UTC, by the true clock
    source     kind of log; `origin` is the file below the output folder, `record` its number in it from 0, header lines not counted
    key        native fields that name the record: Hostname, Channel and RecordNumber; uid and log; eventID; uuid; Id; line; ...
    host       machine the record is about, "" in the cloud; `user` the account it names, "" where it names none
    """

    kind: str
    name: str
    step: str
    technique: str
    action: int
    time: str
    source: str
    host: str
    user: str
    origin: str
    record: int
    key: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Label:
    """What the records written under it are part of (see `Mark`)."""

    kind: str
    name: str
    step: str
    technique: str
    action: int


@dataclass(frozen=True, slots=True)
class _Note:
    """What a labelled record needs to become a `Mark` once its place is known."""

    label: Label
    time: int
    host: str
    user: str


Row = tuple[int, int, bytes, str, _Note | None]
"""Arrival, order of making, body, key, note."""


@dataclass(slots=True)
class Journal:
    """Holds open days and writes closed ones below `out`, each into a folder of its date. `tell` is given the truth about each closed day,
    in order of time; `counts` grows with the records written per kind."""

    out: Path
    seed: int
    account: str = ""
    tell: Callable[[list[Mark]], None] = lambda _: None
    label: Label | None = None
    counts: dict[Kind, int] = field(default_factory=dict)
    _marks: list[Mark] = field(default_factory=list)
    _open: dict[int, dict[Kind, list[Row]]] = field(default_factory=dict)
    _made: int = 0
    _closed: int = -1
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, kind: Kind, arrival: int, body: bytes, key: str, time: int, host: str, user: str = "") -> None:
        """Take a record that reaches its file at `arrival`. `key` names it: `fqdn|channel` on Windows, else its unique value. A Windows
        record comes without its closing brace."""
        note = _Note(self.label, time, host, user) if self.label else None
        self._made += 1
        self._open.setdefault(arrival // DAY, {}).setdefault(kind, []).append((arrival, self._made, body, key, note))

    @contextmanager
    def labelled(self, label: Label) -> Iterator[None]:
        """All records added inside belong to `label`."""
        before, self.label = self.label, label
        yield
        self.label = before

    def close(self, day: int) -> None:
        """Write every open day up to `day` (a day number since 1970)."""
        if min(self._open, default=day) <= self._closed:
            raise ValueError(f"expected records after day {self._closed}, got some of day {min(self._open)}, whose files are written")
        self._closed = day
        for number in sorted(number for number in self._open if number <= day):
            kinds = self._open.pop(number)
            for kind in sorted(kinds):
                self._write(kind, number, sorted(kinds.pop(kind)))
        self.tell(sorted(self._marks, key=lambda mark: (mark.time, mark.origin, mark.record)))
        self._marks.clear()

    def discard(self) -> None:
        """Forget what arrives after the last day."""
        self._open.clear()

    def _write(self, kind: Kind, day: int, rows: list[Row]) -> None:
        stamp = when(day * DAY).strftime("%Y-%m-%d")
        if kind == "cloudtrail":
            self._cloudtrail(stamp, rows)
        elif kind in FILES:
            self._lines(kind, f"{stamp}/{FILES[kind]}", rows)
        else:
            self._zeek(kind.partition("/")[2], day, stamp, rows)

    def _numbered(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Windows records with their RecordNumber, which counts up by machine and channel and has gaps where records are lost."""
        for arrival, made, body, key, note in rows:
            number = self._numbers.get(key) or stream(self.seed, "record number", key).randrange(20_000, 900_000)
            self._numbers[key] = number + 1
            yield arrival, made, b'%b,"RecordNumber":%d}' % (body, number), f"{key}|{number}", note

    def _arrived(self, kind: Kind, origin: str, rows: Iterable[Row]) -> Iterator[bytes]:
        """The bodies that arrive, in order, noting the truth about each."""
        record, repeats = 0, 0 if kind.startswith("zeek") else TWICE
        for _, _, body, key, note in rows:
            chance = zlib.crc32(body, self.seed & 0xFFFFFFFF) % 8_192
            for _ in range(0 if chance < LOST else 2 if chance < LOST + repeats else 1):
                if note:
                    self._marks.append(_mark(kind, origin, record, key, note))
                record += 1
                yield body
        self.counts[kind] = self.counts.get(kind, 0) + record

    def _lines(self, kind: Kind, origin: str, rows: list[Row]) -> None:
        ordered: Iterable[Row] = _drained(rows)
        _file(self.out / origin, self._arrived(kind, origin, self._numbered(ordered) if kind == "windows" else ordered))

    def _zeek(self, log: str, day: int, stamp: str, rows: list[Row]) -> None:
        names, types = ZEEK_LOGS[log]
        opened, closed = (when(at).strftime("%Y-%m-%d-%H-%M-%S") for at in (rows[0][0], (day + 1) * DAY))
        head = (
            f"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{log}\n#open\t{opened}\n"
            f"#fields\t{names.replace(' ', chr(9))}\n#types\t{types.replace(' ', chr(9))}"
        )
        origin = f"{stamp}/zeek/{log}.log.gz"
        lines = self._arrived(f"zeek/{log}", origin, _drained(rows))
        _file(self.out / origin, itertools.chain((head.encode(),), lines, (f"#close\t{closed}".encode(),)))

    def _cloudtrail(self, day: str, rows: list[Row]) -> None:
        """One file an hour, as the trail delivers them."""
        hours: dict[int, list[Row]] = {}
        for row in rows:
            hours.setdefault(row[0] // HOUR, []).append(row)
        for hour, part in hours.items():
            token = f"{stream(self.seed, 'trail', hour).getrandbits(80):020x}"[:16]
            stamp = when((hour + 1) * HOUR).strftime("%Y%m%dT%H%MZ")
            origin = f"{day}/cloudtrail/{self.account}_CloudTrail_eu-west-1_{stamp}_{token}.json.gz"
            records = b",".join(self._arrived("cloudtrail", origin, part))
            _file(self.out / origin, (b'{"Records":[' + records + b"]}",))


def _mark(kind: Kind, origin: str, record: int, key: str, note: _Note) -> Mark:
    label = note.label
    return Mark(
        kind=label.kind,
        name=label.name,
        step=label.step,
        technique=label.technique,
        action=label.action,
        time=iso(note.time),
        source=kind,
        host=note.host,
        user=note.user,
        origin=origin,
        record=record,
        key=_key(kind, key),
    )


def _key(kind: Kind, key: str) -> dict[str, str | int]:
    if kind == "windows":
        host, channel, number = key.split("|")
        return {"Hostname": host, "Channel": channel, "RecordNumber": int(number)}
    if kind.startswith("zeek/"):
        return {"log": kind.partition("/")[2], "uid": key}
    return {{"cloudtrail": "eventID", "linux": "line", "audit": "audit", "okta": "uuid", "m365": "Id", "eve": "flow_id"}[kind]: key}


def truth_writer(file: BinaryIO) -> Callable[[list[Mark]], None]:
    """What `Journal.tell` needs to write the truth as JSON lines, one mark a line, in order of time within each day of arrival."""

    def tell(marks: list[Mark]) -> None:
        file.writelines(orjson.dumps(msgspec.to_builtins(mark)) + b"\n" for mark in marks)

    return tell


def read_truth(path: Path) -> Iterator[Mark]:
    """The marks of a truth file, in its order."""
    decoder = msgspec.json.Decoder(Mark)
    with path.open("rb") as file:
        yield from map(decoder.decode, file)


def _drained(rows: list[Row]) -> Iterator[Row]:
    """The rows in order, each let go of as it is given."""
    rows.reverse()
    while rows:
        yield rows.pop()


def _file(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines, gzipped where the name says so: without name and time in the header, so that the same records are the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        file: BinaryIO = files.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=3)
            file = files.enter_context(packed)  # type: ignore[assignment]
        for _, part in itertools.groupby(enumerate(lines), lambda numbered: numbered[0] // _TOGETHER):
            file.write(b"\n".join(line for _, line in part) + b"\n")


_TOGETHER = 1_000
"""Lines written at a time."""
