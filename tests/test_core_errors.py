"""The error family: one tree, messages that teach."""

from __future__ import annotations

import pytest

from nonself.core import errors
from nonself.core.errors import ConfigError, ModelError, NonselfError, RecordError, RuleError, StateError, UsageError

FAMILY = [NonselfError, UsageError, ConfigError, StateError, ModelError, RecordError, RuleError]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_is_of_the_family_and_drawn(kind: type[NonselfError]) -> None:
    assert issubclass(kind, NonselfError)
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.exit_status == 2


def test_the_drawing_holds_all_of_them() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert defined == {kind.__name__ for kind in FAMILY}


def test_configuration_is_usage() -> None:
    with pytest.raises(UsageError):
        raise ConfigError("x")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, ""),
        ({"expected": "a file"}, "expected a file"),
        ({"expected": "a file", "got": "a folder"}, "expected a file, got a folder"),
        ({"got": "a folder"}, "got a folder"),
        ({"expected": "a", "got": "b", "do": "write a", "where": "x.toml:3"}, "x.toml:3: expected a, got b; write a"),
    ],
)
def test_messages_say_expected_got_and_do(parts: dict[str, str], text: str) -> None:
    error = NonselfError(**parts)
    assert str(error) == text
    assert (error.expected, error.got, error.do, error.where) == tuple(parts.get(name, "") for name in ("expected", "got", "do", "where"))


def test_message_comes_first() -> None:
    assert str(StateError("the ledger is broken", do="restore it", where="s")) == "s: the ledger is broken; restore it"


def test_record_errors_carry_a_code() -> None:
    error = RecordError("over-limit", "line of 20 MB")
    assert (error.reason, error.detail, str(error)) == ("over-limit", "line of 20 MB", "over-limit: line of 20 MB")
    assert str(RecordError("truncated")) == "truncated"
