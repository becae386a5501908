"""Suricata's EVE log: what the table `maps/suricata.toml` can't say."""

from __future__ import annotations

import polars as pl

from nonself.sources.json_source import JsonSource
from nonself.sources.mapped import times_of
from nonself.sources.mapping import shipped

_TRANSFERS = ("STOR", "APPE", "STOU", "RETR", "DELE", "RNFR", "RNTO", "LIST", "NLST")
_SPOKEN = (
    "dns", "mdns", "dcerpc", "http", "tls", "quic", "ssh", "smb", "krb5", "rdp", "smtp", "ftp", "ftp_data", "dhcp", "nfs", "tftp",
    "mqtt", "snmp", "sip", "ike", "modbus", "dnp3", "rfb", "pgsql", "websocket", "ldap", "enip", "bittorrent_dht", "pop3",
)  # fmt: skip
"""Event types that are application protocols."""


def source() -> JsonSource:
    """`channel` and `op` are the event type, `session` is the flow id. Alerts carry the columns of the traffic they are about too."""
    return JsonSource(shipped("suricata"), _derived)


def _derived(frame: pl.DataFrame) -> pl.DataFrame:
    # What is seldom in a log is worked out only where it is there.
    frame = frame.with_columns(_swapped()) if _has(frame, ".direction") else frame
    cells, outcomes = [_app_proto(), _auth_protocol()], [pl.col("status_id"), pl.when(op="drop").then(2)]
    cells += [cell for name in ("flow", "netflow") if _has(frame, f".{name}.start") for cell in _flows(frame, name)]
    if _has(frame, "tactics"):
        cells.append(pl.col("tactics").list.eval(pl.element().str.to_uppercase()))
    if _has(frame, "http_status"):
        outcomes.append(_reply(pl.col("http_status")))
    if _has(frame, ".sip.code"):
        outcomes.append(_reply(pl.col(".sip.code").cast(pl.Int16, strict=False)))
    if _has(frame, ".pgsql.response.message"):
        outcomes.append(pl.when(pl.col(".pgsql.response.message") == "authentication_ok").then(1))
    if _has(frame, ".dns.grouped.A") or _has(frame, ".dns.grouped.CNAME"):
        cells.append(pl.col("answers").list.unique(maintain_order=True))
    if _has(frame, ".fileinfo.size"):  # the source of such a record is who sends the file
        cells.append(pl.when(pl.col(".fileinfo.size").is_null()).then("bytes_in").alias("bytes_in"))
    if _has(frame, ".ftp.command"):
        outcomes.append(_reply(pl.when(op="ftp").then("status_code").cast(pl.Int16, strict=False)))
        cells += _ftp()
    if _has(frame, ".dhcp.type"):  # a name is the client's, who is the destination of what the server says
        reply = pl.col(".dhcp.type") == "reply"
        cells += [pl.when(reply).then(name).otherwise(other).alias(other) for name, other in ((None, "src_host"), ("host", "dst_host"))]
    if _has(frame, ".krb5.msg_type"):
        failed = pl.col(".krb5.error_code").is_not_null() | (pl.col(".krb5.msg_type") == "KRB_ERROR")
        outcomes.append(pl.when(op="krb5").then(pl.when(failed).then(2).otherwise(1)))
    # That of an alert would be the traffic's outcome, not the detection's.
    outcome = pl.when(pl.col("op") != "alert").then(pl.coalesce(outcomes)).cast(pl.Int8)
    return frame.with_columns(*cells, pl.when(outcome > 0).then(outcome).alias("status_id"))


def _has(frame: pl.DataFrame, column: str) -> bool:
    return frame[column].null_count() < frame.height


def _app_proto() -> pl.Expr:
    op, known = pl.col("op"), pl.col("app_proto")
    spoken = pl.when(op.is_in(_SPOKEN)).then(op.str.strip_suffix("_data"))
    return pl.coalesce(pl.when(known != "failed").then(known), spoken).alias("app_proto")  # failed: not recognised


def _auth_protocol() -> pl.Expr:
    mechanism, bind = pl.col(".ldap.request.bind_request.sasl.mechanism"), pl.col(".ldap.request.bind_request.version")
    ticket = (pl.col("op") == "krb5") | pl.col(".smb.kerberos.realm").is_not_null()
    said = [mechanism, pl.when(bind.is_not_null()).then(pl.lit("simple")), pl.when(ticket).then(pl.lit("Kerberos")), "auth_protocol"]
    return pl.coalesce(said).alias("auth_protocol")


def _swapped() -> list[pl.Expr]:
    """A packet of the server's has the server as its source; the flow is counted from the client's side."""
    back = (pl.col(".direction") == "to_client") & pl.col("op").is_in(("alert", "drop"))
    ways = [(f"{what}_in", f"{what}_out") for what in ("bytes", "pkts")]
    return [pl.when(back).then(other).otherwise(one).alias(one) for pair in ways for one, other in (pair, pair[::-1])]


def _flows(frame: pl.DataFrame, name: str) -> list[pl.Expr]:
    """A flow happened when it started: its record is written when it is over. It lasted to its end; the age is in whole seconds."""
    start, end = (pl.lit(times_of(frame[f".{name}.{end}"])) for end in ("start", "end"))
    lasted = (end - start).dt.total_microseconds().clip(0)
    return [
        pl.when(start.is_not_null(), op=name).then(start).otherwise("time").alias("time"),
        pl.coalesce(lasted, "duration_us").alias("duration_us"),
    ]


def _reply(code: pl.Expr) -> pl.Expr:
    return pl.when(code > 0).then(pl.when(code < 400).then(1).otherwise(2))


def _ftp() -> list[pl.Expr]:
    """What a command says of its argument."""
    command, argument = pl.col(".ftp.command"), pl.col(".ftp.command_data")
    return [
        pl.coalesce("user", pl.when(command == "USER").then(argument)).alias("user"),
        pl.coalesce("file_path", pl.when(command.is_in(_TRANSFERS)).then(argument)).alias("file_path"),
    ]
