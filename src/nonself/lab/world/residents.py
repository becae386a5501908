"""Processes that have run since their machine started, the same in every hand that needs them."""

from __future__ import annotations

import functools
from dataclasses import replace

from nonself.lab.world import emit_windows as win
from nonself.lab.world.clock import SECOND, stream
from nonself.lab.world.company import Machine
from nonself.lab.world.emit_windows import Proc

_START = {"system": 0, "services": 2, "winlogon": 3, "lsass": 4, "svchost": 6, "wmiprvse": 30, "defender": 12, "agent": 14, "backup": 16,
          "sqlservr": 18}  # fmt: skip
"""Program -> seconds after the start of the machine."""


@functools.lru_cache(maxsize=8_192)
def resident(seed: int, machine: Machine, name: str, group: str = "") -> Proc:
    """A process that has run since the machine started: a service, the system itself."""
    rng = stream(seed, "resident", machine.name, name, group)
    at = machine.boot + _START[name] * SECOND + rng.randrange(SECOND)
    command = f"C:\\Windows\\system32\\svchost.exe -k {group}" if group else ""
    proc = win.process(win.session(machine, None, machine.boot), name, at, rng, command)
    return replace(proc, pid=4, guid=proc.guid) if name == "system" else proc
