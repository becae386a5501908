"""Configuration: one documented file, typed, with errors that name the place and the cure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core.config import FIELDS, as_toml, load
from nonself.core.errors import ConfigError
from nonself.core.settings import Budget, Config, Rules, Self, State
from nonself.sources.contract import Limits as SourceLimits

SHIPPED = resources.files("nonself.core").joinpath("config.toml").read_text("utf-8")
KEYS = [(section, key) for section, keys in FIELDS.items() for key in keys]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "nonself.toml"
    path.write_text(text, "utf-8")
    return path


def refusal(path: Path | None = None, overrides: dict[str, object] | None = None, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides, env)
    assert caught.value.exit_status == 2
    return str(caught.value)


def test_shipped_file_holds_exactly_the_known_keys_with_their_defaults() -> None:
    shipped = tomllib.loads(SHIPPED)
    assert [(section, key) for section, keys in shipped.items() for key in keys] == KEYS
    assert msgspec.convert(shipped, Config) == Config()


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_explained(section: str, key: str) -> None:
    lines = SHIPPED.splitlines()
    at = next(at for at in range(lines.index(f"[{section}]"), len(lines)) if lines[at].startswith(f"{key} = "))
    assert re.match(r"# \w.{15,}", lines[at - 1]), f"{section}.{key} has no comment above it"


def test_keys_that_count_something_name_its_unit() -> None:
    for key, unit in [("line_bytes", "in bytes"), ("days", "in days"), ("min_bits", "in bits"), ("linger_hours", "in hours")]:
        before = SHIPPED.partition(f"\n{key} = ")[0]
        assert unit in before.rpartition("\n\n")[2]


def test_limits_mirror_what_sources_take() -> None:
    limits = Config().limits
    assert {field.name: field.default for field in fields(SourceLimits)} == msgspec.structs.asdict(limits)
    assert SourceLimits(**msgspec.structs.asdict(limits)) == SourceLimits()


def test_defaults() -> None:
    config = load()
    assert config == Config()
    assert (config.batch.records, config.batch.bytes, config.lake.raw, config.self.days) == (30_000, 16_777_216, True, 30)
    assert (config.calibrate.min_bits, config.calibrate.max_findings_per_detector_day) == (7.0, 200)
    assert (config.correlate.linger_hours, config.budget.incidents_per_day) == (24.0, 5)
    assert (config.output.dead_letter_limit, config.rules.builtin, config.rules.dirs) == (0.05, True, ())


def test_configuration_is_frozen() -> None:
    with pytest.raises(AttributeError):
        load().budget.incidents_per_day = 6  # type: ignore[misc]


def test_precedence_is_flag_environment_file_default(tmp_path: Path) -> None:
    path = written(tmp_path, "[budget]\nincidents_per_day = 2\n[self]\ndays = 10\n")
    env = {"NONSELF_BUDGET_INCIDENTS_PER_DAY": "3"}
    assert load(path).budget.incidents_per_day == 2
    assert load(path, env=env).budget.incidents_per_day == 3
    assert load(path, {"budget.incidents_per_day": 4}, env).budget.incidents_per_day == 4
    assert load(path, {"budget.incidents_per_day": None}, env).budget.incidents_per_day == 3
    assert load(path, env=env).self.days == 10


def test_environment_values_are_text_of_every_type() -> None:
    env = {"NONSELF_LAKE_RAW": "false", "NONSELF_RULES_DIRS": "a:b c", "NONSELF_CORRELATE_LINGER_HOURS": "0.5", "NONSELF_STATE_DIR": "7"}
    config = load(env=env)
    assert (config.lake.raw, config.rules.dirs, config.correlate.linger_hours, config.state.dir) == (False, ("a", "b c"), 0.5, "7")


def test_flags_may_be_paths() -> None:
    config = load(overrides={"state.dir": Path("x") / "y", "rules.dirs": [Path("r"), "s"]})
    assert (config.state.dir, config.rules.dirs) == (str(Path("x") / "y"), ("r", "s"))


def test_others_environment_variables_are_left_alone() -> None:
    env = {"NONSELF_DATA": "x", "NONSELF_PYTHON": "y", "NONSELF_SERVICE_HOST": "10.0.0.1", "NONSELF_PORT_80_TCP": "z", "PATH": "/bin"}
    assert load(env=env) == Config()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[self]\n\ndayz = 5\n", 3, ["unknown key 'dayz' in [self]", "did you mean days?"]),
        ("[selff]\ndays = 3\n", 1, ["unknown section 'selff'", "did you mean self?"]),
        ("days = 3\n", 1, ["unknown section 'days'", "did you mean self.days?"]),
        ("[calibrate]\n# days\ndays = 3\n", 3, ["unknown key 'days' in [calibrate]", "did you mean self.days?"]),
        ("[self]\nqqqq = 3\n", 2, ["unknown key 'qqqq'", "expected one of: days"]),
        ("[lake]\nraw = true\n[self]\ndays = '5'\n", 4, ["expected int, got '5'", "`days = 30` under [self]"]),
        ("self.days = 2.5\n", 1, ["expected int, got 2.5"]),
        ("self = {days = 0}\n", 1, ["expected int >= 1, got 0"]),
        ("[self]\ndays = true\n", 2, ["expected int, got True"]),
        (f"[self]\ndays = {'9' * 30}\n", 2, ["expected int <= 36500"]),
        ("[output]\ndead_letter_limit = nan\n", 2, ["expected float >= 0.0, got nan"]),
        ("[calibrate]\nmin_bits = inf\n", 2, ["expected float <= 1000.0, got inf"]),
        ("[correlate]\nlinger_hours = 9000\n", 2, ["expected float <= 8760.0, got 9000"]),
        ("[rules]\ndirs = ['a', 3]\n", 2, ["expected str, got ['a', 3]"]),
        ("[rules]\ndirs = 'a'\n", 2, ["expected array, got 'a'"]),
        ("[rules]\ndirs = ['']\n", 2, ["expected str of length >= 1"]),
        ('[state]\ndir = "a\\u0000b"\n', 2, ["without NUL"]),
        ("[[self]]\ndays = 3\n", 1, ["expected a section [self]"]),
        ("self = 3\n", 1, ["expected a section [self], got 3"]),
        ("[lake]\nraw = yes\n", 2, ["not TOML"]),
        ("[lake]\n[lake]\n", 2, ["not TOML"]),
        ("[lake]\nraw = ", 2, ["not TOML"]),
    ],
)
def test_errors_name_line_expectation_and_cure(tmp_path: Path, text: str, line: int, says: list[str]) -> None:
    path = written(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"{path}:{line}:")
    for part in says:
        assert part in message


def test_a_hostile_value_cannot_drive_the_terminal(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, '[self]\ndays = "\\u001b[31m\\u202e' + "x" * 5000 + '"\n"\\u001b]0;x" = 1\n'))
    assert "\x1b" not in message
    assert "\u202e" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("NONSELF_SELF_DAYZ", "did you mean NONSELF_SELF_DAYS?"),
        ("NONSELF_SLEF_DAYS", "did you mean NONSELF_SELF_DAYS?"),
        ("NONSELF_BUDGET_INCIDENTS", "did you mean NONSELF_BUDGET_INCIDENTS_PER_DAY?"),
        ("NONSELF_LIMITS_X", "did you mean NONSELF_LIMITS_"),
    ],
)
def test_a_slip_in_the_environment_is_an_error(name: str, says: str) -> None:
    message = refusal(env={name: "3"})
    assert message.startswith(f"{name}: unknown setting")
    assert says in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("NONSELF_SELF_DAYS", "many", "expected int, got 'many'"),
        ("NONSELF_SELF_DAYS", "", "expected int"),
        ("NONSELF_LAKE_RAW", "perhaps", "expected bool"),
        ("NONSELF_OUTPUT_DEAD_LETTER_LIMIT", "nan", "expected float >= 0.0"),
        ("NONSELF_STATE_DIR", "\udc80", "expected text in UTF-8"),
    ],
)
def test_a_wrong_value_in_the_environment_is_an_error(name: str, value: str, expected: str) -> None:
    message = refusal(env={name: value})
    assert message.startswith(f"{name}: {expected}")


def test_unknown_flags_are_errors() -> None:
    assert "did you mean incidents_per_day?" in refusal(overrides={"budget.incident_per_day": None})
    assert "expected one of: state" in refusal(overrides={"nope.x": 3})
    assert "unknown key" in refusal(overrides={"self": 3})


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    assert "expected a configuration file, got No such file" in refusal(tmp_path / "none.toml")
    assert "expected a configuration file" in refusal(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    assert "expected text in UTF-8, got byte 0xe9" in refusal(tmp_path / "latin.toml")
    assert "nested too deeply" in refusal(written(tmp_path, "x = " + "[" * 5000 + "]" * 5000))


def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf[self]\r\ndays = 9\r\n")
    assert load(path).self.days == 9


def test_effective_configuration_is_the_commented_file() -> None:
    assert as_toml(Config()) == SHIPPED
    assert "\nincidents_per_day = 9\n" in as_toml(load(overrides={"budget.incidents_per_day": 9}))


TEXT: Any = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(TEXT, st.lists(TEXT), st.floats(0.01, 8_760), st.booleans(), st.integers(1, 36_500))
def test_printed_configuration_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, directory: str, dirs: list[str], linger: float, builtin: bool, days: int
) -> None:
    config = msgspec.structs.replace(
        Config(), state=State(dir=directory), rules=Rules(dirs=tuple(dirs), builtin=builtin), self=Self(days=days), budget=Budget(0)
    )
    config = msgspec.structs.replace(config, correlate=msgspec.structs.replace(config.correlate, linger_hours=linger))
    path = tmp_path_factory.getbasetemp() / "again.toml"
    path.write_text(as_toml(config), "utf-8", newline="")
    assert load(path) == config
