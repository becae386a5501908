"""Every error nonself raises on purpose, and how they relate.

    NonselfError
    ├── UsageError        the command, a flag or a path is wrong                     exit status 2
    │   └── ConfigError   a key or value of the configuration file is wrong          exit status 2
    ├── StateError        the state directory can't be read, written or trusted      exit status 2
    ├── ModelError        a language model can't be asked, may not be, or answers out of form: the analyst's floor stands
    ├── RecordError       one record can't be read: it goes to the dead-letter table, never up
    └── RuleError         one rule can't be evaluated: it is listed with its reason, never skipped

An error says what was expected, what came, what to do, and where (`file:line:column` when there is one).
"""

from __future__ import annotations


class NonselfError(Exception):
    """Base of the family. `str(error)` is one readable message: `where: expected ..., got ...; do ...`."""

    exit_status = 2

    def __init__(self, message: str = "", *, expected: str = "", got: str = "", do: str = "", where: str = "") -> None:
        self.expected, self.got, self.do, self.where = expected, got, do, where
        parts = [message] if message else []
        if expected:
            parts.append(f"expected {expected}" + (f", got {got}" if got else ""))
        elif got:
            parts.append(f"got {got}")
        if do:
            parts.append(do)
        text = "; ".join(parts)
        super().__init__(f"{where}: {text}" if where else text)


class UsageError(NonselfError):
    """The command line or a path on it is wrong."""


class ConfigError(UsageError):
    """A key or value of the configuration is wrong."""


class StateError(NonselfError):
    """The state directory can't be read, written or trusted."""


class ModelError(NonselfError):
    """A language model can't be asked, may not be asked, or did not answer in the form and limits asked for."""


class RecordError(NonselfError):
    """One record can't be read. `reason` is a short stable code that dead letters are counted by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class RuleError(NonselfError):
    """One rule can't be evaluated; `where` is `file:line:column`."""
