"""Configuration: one frozen, typed object made of flags, environment, a TOML file and defaults, in that order of precedence.

What can be set is in `core.settings`; the meaning, unit and default of every key stand in `config.toml` beside this file, which is also
what `as_toml` fills in. An unknown key or a wrong value is a `ConfigError` that says where it is and what would be right.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from json import dumps
from pathlib import Path
from typing import NamedTuple

import msgspec

from nonself.core.errors import ConfigError
from nonself.core.safe import shorten
from nonself.core.settings import Config

PREFIX = "NONSELF_"

FIELDS: dict[str, dict[str, msgspec.structs.FieldInfo]] = {
    section.name: {field.name: field for field in msgspec.structs.fields(section.type)} for section in msgspec.structs.fields(Config)
}
"""section -> key -> its type and default."""


class _Given(NamedTuple):
    """One setting as somebody gave it. `where` is for the error; from the environment all values come as text."""

    section: str
    key: str
    value: object
    where: str
    is_text: bool = False


def load(path: Path | None = None, overrides: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None) -> Config:
    """The effective configuration.

    path       TOML file, or None
    overrides  flags by their key's name, such as {"budget.incidents_per_day": 3}; None means that the flag was not given
    env        environment, such as os.environ; `NONSELF_<SECTION>_<KEY>` counts, lists are separated as PATH is

    Raises ConfigError for an unknown key or a wrong value, with file and line.
    """
    values: dict[str, dict[str, object]] = {section: {} for section in FIELDS}
    for given in [*_from_file(path), *_from_env(env or {}), *_from_flags(overrides or {})]:
        values[given.section][given.key] = _checked(given)
    return msgspec.convert(values, Config)


def changed(config: Config, path: Path) -> Config:
    """`config` with the keys that a TOML file sets, and no other. Raises ConfigError as `load` does."""
    for given in _from_file(path):
        section = msgspec.structs.replace(getattr(config, given.section), **{given.key: _typed(given)})
        config = msgspec.structs.replace(config, **{given.section: section})
    return config


def _typed(given: _Given) -> object:
    return msgspec.convert(_checked(given), FIELDS[given.section][given.key].type)


def as_toml(config: Config) -> str:
    """The effective configuration as a commented TOML file that `load` reads back as the same."""
    lines, section = [], ""
    for line in resources.files("nonself.core").joinpath("config.toml").read_text("utf-8").splitlines():
        heading, key = re.match(r"\[(\w+)\]", line), re.match(r"(\w+) = ", line)
        section = heading[1] if heading else section
        lines.append(f"{key[1]} = {_toml(getattr(getattr(config, section), key[1]))}" if key else line)
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return repr(value)


def _from_file(path: Path | None) -> Iterator[_Given]:
    if path is None:
        return
    text = _read(path)
    for section, table in _parsed(text, path).items():
        where = f"{path}:{_line(text, section)}"
        _known(section, "", where)
        if not isinstance(table, dict):
            raise ConfigError(expected=f"a section [{section}]", got=_shown(table), where=where)
        for key, value in table.items():
            where = f"{path}:{_line(text, section, key)}"
            _known(section, key, where)
            yield _Given(section, key, value, where)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(expected="a configuration file", got=error.strerror or str(error), where=str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(expected="text in UTF-8", got=f"byte {error.object[error.start]:#04x}", where=str(path)) from None


def _parsed(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rstrip(")").partition(" (at ")
        where = ":".join([str(path), *(re.findall(r"\d+", place) or [str(text.count("\n") + 1)])])
        raise ConfigError(
            f"not TOML: {what}", do='write `key = value` lines under [section] lines, text in "quotes"', where=where
        ) from None
    except RecursionError:
        raise ConfigError(expected="at most a list of texts as a value", got="a value nested too deeply", where=str(path)) from None


def _line(text: str, section: str, key: str = "") -> int:
    """Line on which a key (or a section) is set; tomllib keeps no places."""
    now, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line)
        now = heading[1] if heading else now
        left = "" if heading else line.partition("=")[0]
        name = ".".join(part.strip(" \t\"'") for part in ([now] if now else []) + left.split(".")).rstrip(".")
        if name == f"{section}.{key}".rstrip("."):
            return number
        if not first and name.split(".")[0] == section:
            first = number
    return first or 1


def _from_env(env: Mapping[str, str]) -> Iterator[_Given]:
    names = {f"{PREFIX}{section}_{key}".upper(): (section, key) for section, keys in FIELDS.items() for key in keys}
    for name in sorted(env):
        if name in names:
            yield _Given(*names[name], env[name], name, is_text=True)
        elif name.startswith(PREFIX):
            _not_a_slip(name, list(names))


def _not_a_slip(name: str, names: list[str]) -> None:
    """Others own names of this prefix too (the tests' NONSELF_DATA, Kubernetes' NONSELF_SERVICE_HOST), so only a near miss is an error."""
    sections = tuple(f"{PREFIX}{section}_".upper() for section in FIELDS)
    close = difflib.get_close_matches(name, names, 1, 0.85 if not name.startswith(sections) else 0.0)
    if close:
        raise ConfigError("unknown setting", do=f"did you mean {close[0]}?", where=shorten(name, 80))


def _from_flags(overrides: Mapping[str, object]) -> Iterator[_Given]:
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        _known(section, key or " ", name)
        if value is not None:
            plain = [_plain(item) for item in value] if isinstance(value, list | tuple) else _plain(value)
            yield _Given(section, key, plain, name)


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _known(section: str, key: str, where: str) -> None:
    """Refuse a section or key that is not in `FIELDS`, and say which name is nearest."""
    if section in FIELDS and (not key or key in FIELDS[section]):
        return
    if section in FIELDS:
        what, wanted, options = f"unknown key {_shown(key)} in [{section}]", key, list(FIELDS[section])
    else:
        what, wanted, options = f"unknown section {_shown(section)}", section, list(FIELDS)
    elsewhere = [f"{name}.{wanted}" for name, keys in FIELDS.items() if wanted in keys]
    near = difflib.get_close_matches(wanted, options, 1) or elsewhere
    raise ConfigError(what, do=f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(options)}", where=where)


def _checked(given: _Given) -> object:
    """The value in its field's type."""
    field, value = FIELDS[given.section][given.key], given.value
    if given.is_text and isinstance(value, str) and isinstance(field.default, tuple):
        value = [part for part in value.split(os.pathsep) if part]
    try:
        value = msgspec.convert(value, field.type, strict=not given.is_text)
    except msgspec.ValidationError as error:
        expected = str(error).removeprefix("Expected ").partition(", got ")[0].partition(" - at ")[0].replace("`", "")
        raise _wrong(given, expected, field) from None
    texts = [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    if any("\0" in text or text.encode(errors="replace").decode() != text for text in texts):
        raise _wrong(given, "text in UTF-8 without NUL", field)
    return value


def _wrong(given: _Given, expected: str, field: msgspec.structs.FieldInfo) -> ConfigError:
    example = f"write for example `{given.key} = {_toml(field.default)}` under [{given.section}]"
    return ConfigError(expected=expected, got=_shown(given.value), do=example, where=given.where)


def _shown(value: object) -> str:
    return shorten(repr(value), 80)
