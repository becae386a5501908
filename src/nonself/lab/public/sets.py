"""The sets: name, where to fetch, what reads its files, and where its labels stand. A new set is one `PublicSet` here and its mappings."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO, cast

from nonself import sources
from nonself.core.errors import UsageError
from nonself.lab.public import labels
from nonself.lab.public.labels import Labels
from nonself.sources.contract import Input, Source
from nonself.sources.lines import head_lines


@dataclass(frozen=True, slots=True)
class Header:
    """A header line for files that have none, and what their first line looks like."""

    line: bytes
    first: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class PublicSet:
    """One public data set.

    maps     names of the mappings in `maps/` that read its files; `sources` those of our own sources that do
    headers  header lines of files that come without
    labels   the labels, made of all inputs of the set (each is asked whether it holds labels)
    inside   the labels stand in the records themselves, so `ext` and `raw` are dropped: no detector or rule may read them
    unknown  what the set does not say, for people
    """

    name: str
    title: str
    where: str
    labels: Callable[[Iterable[Input]], Labels]
    maps: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    inside: bool = False
    unknown: str = ""

    def readers(self) -> tuple[Source, ...]:
        """What reads its files, asked in this order."""
        folder = Path(str(files("nonself.lab.public"))) / "maps"
        ours = sources.own([folder / f"{name}.toml" for name in self.maps])
        return (*ours, *(source for source in sources.SOURCES if source.name in self.sources))

    def headed(self, source_input: Input) -> tuple[Input, int]:
        """The input with a header line before it, where it is a file of the set that lacks one; and how many lines were put before it."""
        first = next(iter(head_lines(source_input.head, 1)), b"")
        for header in self.headers:
            if header.first.match(first):
                head = header.line + source_input.head.removeprefix(_BOM)
                return replace(source_input, head=head, open=partial(_after, header.line, source_input)), 1
        return source_input, 0


class _After(io.RawIOBase):
    """Some bytes, then a stream."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        super().__init__()
        self._start, self._stream = start, stream

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._start[: len(buffer)] or self._stream.read(len(buffer))
        self._start = self._start[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def _after(start: bytes, source_input: Input) -> BinaryIO:
    """The header, then the input without the byte-order mark, which would be part of the first cell."""
    stream = source_input.open()
    if source_input.head.startswith(_BOM):
        stream.read(len(_BOM))
    return cast(BinaryIO, _After(start, stream))


def _header(line: str, first: str) -> Header:
    return Header(line.encode() + b"\n", re.compile(first.encode()))


_UNSW = (
    "srcip,sport,dstip,dsport,proto,state,dur,sbytes,dbytes,sttl,dttl,sloss,dloss,service,Sload,Dload,Spkts,Dpkts,swin,dwin,stcpb,dtcpb,"
    "smeansz,dmeansz,trans_depth,res_bdy_len,Sjit,Djit,Stime,Ltime,Sintpkt,Dintpkt,tcprtt,synack,ackdat,is_sm_ips_ports,ct_state_ttl,"
    "ct_flw_http_mthd,is_ftp_login,ct_ftp_cmd,ct_srv_src,ct_srv_dst,ct_dst_ltm,ct_src_ltm,ct_src_dport_ltm,ct_dst_sport_ltm,"
    "ct_dst_src_ltm,attack_cat,Label"
)
_BOM = b"\xef\xbb\xbf"
_USER = r"[^,]*@[^,]*"

SETS: dict[str, PublicSet] = {
    one.name: one
    for one in (
        PublicSet(
            "cic-ids2017", "CIC-IDS2017 as corrected by Engelen, Rimmer, Joosen 2021 and Liu et al. 2022: five days of flows",
            "https://intrusion-detection.distrinet-research.be/CNS2022", labels.cic, inside=True,
            maps=("cic-ids2017-first", "cic-ids2017"),
        ),
        PublicSet(
            "unsw-nb15", "UNSW-NB15 (Moustafa, Slay 2015): two days of flows, the four CSV files with addresses and times",
            "https://research.unsw.edu.au/projects/unsw-nb15-dataset", labels.unsw, maps=("unsw-nb15",), inside=True,
            headers=(_header(_UNSW, r"[0-9.]+,[^,]+,[0-9.]+,[^,]+,(?:[^,]*,){44}[01]$"),),
        ),
        PublicSet(
            "ctu-13", "CTU-13 (Garcia et al. 2014): thirteen captures with a botnet each, two-way flows of Argus",
            "https://www.stratosphereips.org/datasets-ctu13", labels.ctu, sources=("argus",), inside=True,
        ),
        PublicSet(
            "lanl", "LANL cyber1 (Kent 2015): 58 days of authentications, flows, processes and names asked for",
            "https://csr.lanl.gov/data/cyber1", labels.lanl, maps=("lanl-auth", "lanl-flows", "lanl-proc", "lanl-dns"),
            headers=(
                _header(
                    "time,source user,destination user,source computer,destination computer,authentication,logon,orientation,success",
                    rf"\d+,{_USER},{_USER},[^,]*,[^,]*,[^,]*,[^,]*,[^,]*,(Success|Fail)",
                ),
                _header(
                    "time,duration,source computer,source port,destination computer,destination port,protocol,packet count,byte count",
                    r"\d+,\d+,[^,]*,[^,]*,[^,]*,[^,]*,\d+,\d+,\d+$",
                ),
                _header("time,user,computer,process,start or end", rf"\d+,{_USER},[^,]*,[^,]*,(Start|End)$"),
                _header("time,source computer,computer resolved", r"\d+,[^,@]+,[^,@]+$"),
            ),
            unknown="times are seconds since a day the set does not name: they are shown as if that were the first of 1970",
        ),
        PublicSet(
            "cert", "CERT insider threat test sets (Glasser, Lindauer 2013), r3.1 to r6.2: logons, drives, files, mail and pages",
            "https://doi.org/10.1184/R1/12841247", labels.cert,
            maps=("cert-logon", "cert-device", "cert-file", "cert-email", "cert-http"),
            unknown="times have no zone: they are taken for UTC",
        ),
        PublicSet(
            "optc", "DARPA OpTC (2019): hosts' events as eCAR JSON, six days",
            "https://github.com/FiveDirections/OpTC-data", labels.spans, maps=("optc-ecar",),
            unknown="its truth is a report for people: put what you take from it into a CSV file with the header host,start,end,step",
        ),
        PublicSet(
            "evtx-baseline", "evtx-baseline (NextronSystems): event logs of Windows machines that nobody attacked",
            "https://github.com/NextronSystems/evtx-baseline", labels.harmless, sources=("windows-evtx",),
        ),
    )
}  # fmt: skip
"""Name -> set."""


def named(name: str) -> PublicSet:
    """UsageError for a name that `SETS` lacks."""
    if name not in SETS:
        raise UsageError(expected=f"a set: {', '.join(SETS)}", got=name, do="choose one; `nonself lab sets` tells where to fetch them")
    return SETS[name]
