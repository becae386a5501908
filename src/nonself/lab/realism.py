"""`nonself bench realism`: is the world like the real one? Gates against published figures and against real samples, failures included.

Published figures: LANL's unified flows (one day: 174.8 million flows) and its nine months of authentications (Turcotte, Kent & Hash 2018;
Hagberg, Lemons, Kent & Neil 2014), as counted in the reference analysis of that data. Each gate names its figure and its tolerance.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nonself import lab, sources
from nonself.core import events as frames
from nonself.lab.agreement import agreement, spearman
from nonself.lab.twosample import two_samples
from nonself.sources.contract import Limits

SEED, PEOPLE, DAYS = 11, 60, 14
"""Of the world that is looked at: a development seed."""
PORTS = {53: 0.147, 80: 0.125, 443: 0.122, 514: 0.063, 389: 0.031, 427: 0.022, 88: 0.019, 445: 0.017}
"""Destination ports of LANL's flows and their shares."""
_CONN = ("time", "src_ip", "dst_ip", "dst_port", "proto", "app_proto", "duration_us", "bytes_in", "bytes_out", "pkts_in", "pkts_out",
         "status_code")  # fmt: skip
_HOST = ("op", "channel", "image", "parent_image", "cmdline", "user", "dst_port", "file_path", "reg_key", "integrity")


@dataclass(frozen=True, slots=True)
class Gate:
    """One comparison. `low` to `high` is what passes; `source` is where the figure comes from."""

    name: str
    value: float
    low: float
    high: float
    source: str
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.low <= self.value <= self.high


def run(paths: Sequence[Path], *, as_json: bool) -> int:
    """Make a world, measure it, print the gates. `paths` may name the folder of public data sets, for the comparisons with real records."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logs"
        lab.make(out, seed=SEED, people=PEOPLE, days=DAYS, attack="none")
        conn = _events(sorted(out.glob("*/zeek/conn.log.gz")))
        host = _events(sorted(out.glob("*/windows.jsonl.gz")))
    gates = [*flows(conn), *rhythm(conn, host), *logons(host), *compared(conn, host, paths)]
    if as_json:
        world = {"seed": SEED, "people": PEOPLE, "days": DAYS}
        print(
            json.dumps({"track": "realism", "world": world, "gates": [asdict(gate) | {"passed": gate.passed} for gate in gates]}, indent=1)
        )
    else:
        print(table(gates))
    return 0


def table(gates: Sequence[Gate]) -> str:
    """Markdown: gate, value, what passes, verdict, source."""
    lines = ["| gate | value | passes | | figure from |", "|---|---|---|---|---|"]
    for gate in gates:
        bounds = f"{gate.low:g} to {gate.high:g}" if np.isfinite(gate.high) else f"at least {gate.low:g}"
        note = f"; {gate.note}" if gate.note else ""
        lines.append(f"| {gate.name} | {gate.value:.3g} | {bounds} | {'passed' if gate.passed else '**failed**'} | {gate.source}{note} |")
    return "\n".join([*lines, "", f"{sum(gate.passed for gate in gates)} of {len(gates)} passed."])


def _events(paths: Sequence[Path]) -> pl.DataFrame:
    parts = [chunk.events for one in sources.discover(paths, Limits()) for chunk in sources.read(one, Limits())[1]]
    return frames.concat(parts)


def flows(conn: pl.DataFrame) -> list[Gate]:
    """Marginals of flows against LANL's."""
    workdays = conn.filter(pl.col("time").dt.weekday() <= 5)
    night = workdays.filter(pl.col("time") - pl.col("time").dt.truncate("1d") < pl.duration(seconds=13_791)).height / 13_791
    by_source = conn["src_ip"].value_counts(sort=True)["count"]
    by_target = conn["dst_ip"].value_counts(sort=True)["count"]
    seconds = conn["duration_us"].fill_null(0) / 1e6
    packets = conn["pkts_out"].fill_null(0) + conn["pkts_in"].fill_null(0)
    return [
        Gate("flows a second in the first 3.8 h against the day's mean", night / (workdays.height / 86_400), 0.8, 1.0, "LANL flows: .896"),
        Gate("share of TCP", _share(conn["proto"] == "tcp"), 0.63, 0.83, "LANL flows: .73"),
        Gate("distance of destination ports (total variation)", _ports(conn), 0, 0.25, "LANL flows: 53, 80, 443, 514, 389, 427, 88, 445"),
        Gate("share of the 4 busiest sources", float(by_source.head(4).sum()) / conn.height, 0.14, 0.30, "LANL flows: .22"),
        Gate("share of the busiest destination", float(by_target[0]) / conn.height, 0.075, 0.195, "LANL flows: .135"),
        Gate("median duration, s", float(np.median(seconds.to_numpy())), 0, 2, "LANL flows: 1"),
        Gate("mean of duration over its median", _heavy(seconds), 100, float("inf"), "LANL flows: 724"),
        Gate("median packets", float(np.median(packets.to_numpy())), 1, 6, "LANL flows: 2"),
    ]


def _share(which: pl.Series) -> float:
    return float(which.mean() or 0.0)  # type: ignore[arg-type]


def _heavy(seconds: pl.Series) -> float:
    values = seconds.to_numpy()
    return float(values.mean() / max(1e-3, float(np.median(values))))


def _ports(conn: pl.DataFrame) -> float:
    """Half the sum of differences of shares, all other ports as one."""
    here = {port: _share(conn["dst_port"] == port) for port in PORTS}
    rest = abs(sum(here.values()) - sum(PORTS.values()))
    return (sum(abs(here[port] - share) for port, share in PORTS.items()) + rest) / 2


def rhythm(conn: pl.DataFrame, host: pl.DataFrame) -> list[Gate]:
    """Day and week, bursts, and how much stays new."""
    people = host.filter(pl.col("image").str.to_lowercase().str.ends_with("chrome.exe"))
    hourly = _hourly(people)
    own = people.sort("host", "time").select((pl.col("time").diff().dt.total_microseconds() / 1e6).over("host").alias("gap"))
    gaps = own["gap"].drop_nulls().to_numpy()
    return [
        Gate("autocorrelation of browsing over 24 h", _lag(hourly, 24), 0.3, 1, "people keep days"),
        Gate("the same over 168 h, less that over 60 h", _lag(hourly, 168) - _lag(hourly, 60), 0.1, 2, "people keep weeks"),
        Gate("burstiness of browsing (σ-μ)/(σ+μ)", float((gaps.std() - gaps.mean()) / (gaps.std() + gaps.mean())), 0.2, 1,
             "0 is a Poisson process, Goh & Barabasi 2008"),
    ]  # fmt: skip


def _hourly(events: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    by_hour = events.group_by(pl.col("time").dt.truncate("1h").alias("hour")).len().sort("hour").upsample("hour", every="1h")
    return by_hour["len"].fill_null(0).to_numpy().astype(np.float64)


def _lag(counts: np.ndarray[Any, np.dtype[np.float64]], lag: int) -> float:
    if counts.size <= lag + 2:
        return float("nan")
    a, b = counts[:-lag], counts[lag:]
    return float(np.corrcoef(a, b)[0, 1])


def new_edges(conn: pl.DataFrame) -> float:
    """Share of the last day's pairs of source and destination that no earlier day had."""
    pairs = conn.select("src_ip", "dst_ip", pl.col("time").dt.date().alias("day")).unique()
    last = pairs["day"].max()
    today, before = pairs.filter(pl.col("day") == last), pairs.filter(pl.col("day") < last)
    return today.join(before, on=["src_ip", "dst_ip"], how="anti").height / max(1, today.height)


def logons(host: pl.DataFrame) -> list[Gate]:
    """Authentications by user and computer against nine months of LANL's."""
    days = max(1, host["time"].dt.date().n_unique())
    successes = host.filter((pl.col("class_uid") == 3002) & (pl.col("activity_id") == 1) & (pl.col("status_id").fill_null(1) == 1))
    who = pl.coalesce("tgt_user", "user").str.to_lowercase()
    users = successes.filter(~who.str.ends_with("$") & ~who.is_in(["system"])).select(who.alias("who"))
    computers = max(1, host["host"].n_unique())
    per_user = users.height / days / max(1, users["who"].n_unique())
    return [
        Gate("authentications a user and day", per_user, 154, 347, "LANL, nine months: 231"),
        Gate("authentications a computer and day", successes.height / days / computers, 79, 177, "LANL, nine months: 118"),
    ]


def compared(conn: pl.DataFrame, host: pl.DataFrame, paths: Sequence[Path]) -> list[Gate]:
    """Two-sample tests against real records, and whether methods rank as they do on real alerts, where their folder is given."""
    gates = []
    for base in paths:
        if (base / "ait-ads").is_dir():
            gates += agreed(base / "ait-ads")
        real = sorted((base / "zeek" / "missing_host").rglob("conn.*"))
        if real:
            there = _events(real)
            found = two_samples(_connections(there), _connections(conn))
            gates.append(_told("connections told from real ones (AUC)", found.auc, found.telling, "a small network's Zeek logs, 3 days"))
            known = new_edges(there)
            gates.append(
                Gate("new pairs on the last day, less the real ones'", new_edges(conn) - known, -0.2, 0.2, f"the same: {known:.2f}")
            )
        hosts = sorted((base / "security-datasets").rglob("*.zip"))[:12]
        if hosts:
            there = _events(hosts).filter(pl.col("source") == "windows-json")
            found = two_samples(_records(there), _records(host))
            gates.append(_told("Windows events told from real ones (AUC)", found.auc, found.telling, "12 sets of Security-Datasets, a lab"))
    return gates


def agreed(folder: Path) -> list[Gate]:
    """Rank agreement of ways to make incidents, in the world and on real alerts."""
    gates = []
    for figure, of in agreement(folder).items():
        told = ", ".join(f"{name} {here:.2f}/{there:.2f}" for name, (here, there) in of.items())
        name = f"rank agreement of {len(of)} methods by {figure} (Spearman)"
        gates.append(Gate(name, spearman(list(of.values())), 0.5, 1, "AIT-ADS, online at 0.5 false incidents a day", f"world/real: {told}"))
    return gates


def _told(name: str, auc: float, telling: Sequence[tuple[str, float]], source: str) -> Gate:
    return Gate(name, auc, 0, 0.75, source, "most telling: " + ", ".join(f"{column} {value:.2f}" for column, value in telling))


def _connections(conn: pl.DataFrame) -> pl.DataFrame:
    """What a connection is like, without who it is between: sizes and lengths on a log scale."""
    inside = pl.col("src_ip").str.contains(r"^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)")
    sizes = [
        pl.col(name).cast(pl.Float64).add(1).log(2).alias(name) for name in ("duration_us", "bytes_in", "bytes_out", "pkts_in", "pkts_out")
    ]
    return conn.select(
        pl.col("dst_port").cast(pl.String), "proto", "app_proto", "status_code", inside.alias("inside").cast(pl.String), *sizes
    )


def _records(host: pl.DataFrame) -> pl.DataFrame:
    """What a Windows record is like: event, program's file name, lengths of texts, whose it is."""
    name = pl.col("image").str.to_lowercase().str.split("\\").list.last().alias("program")
    parent = pl.col("parent_image").str.to_lowercase().str.split("\\").list.last().alias("parent")
    lengths = [pl.col(column).str.len_bytes().cast(pl.Float64).alias(column) for column in ("cmdline", "image", "file_path")]
    system = pl.col("user").str.to_lowercase().eq("system").cast(pl.String).alias("system")
    return host.select("op", name, parent, system, pl.col("dst_port").cast(pl.String), *lengths)
