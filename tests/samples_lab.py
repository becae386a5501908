"""The logs of a made company, parsed, for the tests of the lab."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson

from nonself import lab
from nonself.lab.world.write import FILES, ZEEK_LOGS, Mark

Record = dict[str, Any]


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def records(out: Path, origin: str) -> list[bytes]:
    """The records of a file below `out`: header lines left out, the lines of one audit event together."""
    if "/cloudtrail/" in origin:
        return [orjson.dumps(record) for record in orjson.loads(content(out / origin))["Records"]]
    lines = [line for line in content(out / origin).split(b"\n")[:-1] if not line.startswith(b"#")]
    if origin.endswith("audit.log"):
        return [b"\n".join(lines[n : n + 5]) for n in range(0, len(lines), 5)]
    return lines


class World:
    """A company and all its records."""

    def __init__(self, base: Path, **arguments: Any) -> None:
        self.out = base / "out"
        self.truth = lab.make(self.out, truth=base / "truth.jsonl", **arguments)
        self.company = self.truth.company
        self.marks: list[Mark] = list(self.truth.marks())

    def origins(self, kind: str) -> list[str]:
        """The files of a kind of log, in order of days."""
        name = {"cloudtrail": "cloudtrail/*", "zeek": "zeek/*"}.get(kind) or FILES.get(kind) or f"zeek/{kind.partition('/')[2]}.log.gz"
        return sorted(str(path.relative_to(self.out)) for path in self.out.glob(f"*/{name}"))

    def lines(self, origin: str) -> list[bytes]:
        return records(self.out, origin)

    def json(self, kind: str) -> list[Record]:
        return [orjson.loads(line) for origin in self.origins(kind) for line in self.lines(origin)]

    def zeek(self, log: str) -> list[dict[str, str]]:
        names = ZEEK_LOGS[log][0].split()
        lines = [line for origin in self.origins(f"zeek/{log}") for line in self.lines(origin)]
        return [dict(zip(names, line.decode().split("\t"), strict=True)) for line in lines]

    def text(self, kind: str) -> list[str]:
        return [line.decode() for origin in self.origins(kind) for line in self.lines(origin)]

    def steps(self, kind: str, name: str = "") -> dict[str, list[Mark]]:
        found: dict[str, list[Mark]] = defaultdict(list)
        for mark in self.marks:
            if mark.kind == kind and name in ("", mark.name):
                found[mark.step].append(mark)
        return found


KINDS = (*FILES, "cloudtrail", *(f"zeek/{log}" for log in ZEEK_LOGS))
