"""Folders: sorted, links not followed out, what can't be read is said and stops nothing."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from nonself.core.errors import UsageError
from nonself.sources import discover, read
from nonself.sources.contract import Limits
from nonself.sources.walk import STDIN
from test_sources_samples import SAMPLES

LOG = SAMPLES["windows-json"][0][1]
LIMITS = Limits()


def origins(path: Path) -> list[str]:
    return [found.origin.removeprefix(str(path) + "/") for found in discover([path], LIMITS)]


def reason(path: Path) -> list[str]:
    return [letter.reason for found in discover([path], LIMITS) for chunk in read(found, LIMITS)[1] for letter in chunk.dead]


def test_order_depends_on_names_alone(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "c/x/y", "B"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LOG)
    assert origins(tmp_path) == ["B", "a", "b/1", "b/2", "c/x/y"]


def test_a_missing_path_is_said_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(LOG)
    with pytest.raises(UsageError, match="nothing there"):
        next(discover([tmp_path / "a", tmp_path / "absent"], LIMITS))


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret.json").write_bytes(LOG)
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "log").write_bytes(LOG)
    (inside / "same").symlink_to(inside / "log")
    (inside / "loop").symlink_to(inside)
    (inside / "away").symlink_to(tmp_path / "out")
    (inside / "self").symlink_to(inside / "self")
    assert [name for name in origins(inside) if name not in ("self",)] == ["away", "log"]
    assert "symlink" in reason(inside)


def test_a_linked_folder_given_by_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "log").write_bytes(LOG)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert origins(tmp_path / "link") == ["log"]


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path) == ["special-file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_files_and_folders_are_dead_letters(tmp_path: Path) -> None:
    for name in ("dir", "file"):
        (tmp_path / name).mkdir() if name == "dir" else (tmp_path / name).write_bytes(LOG)
        (tmp_path / name).chmod(0)
    (tmp_path / "good").write_bytes(LOG)
    assert reason(tmp_path) == ["unreadable", "unreadable"]


def test_an_unreadable_file_is_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(LOG)
    (tmp_path / "b").write_bytes(LOG)
    real = Path.open

    def denied(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "a":
            raise PermissionError(13, "denied", str(self))
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", denied)
    assert reason(tmp_path) == ["unreadable"]
    assert len(origins(tmp_path)) == 2


def test_names_that_are_no_text_are_kept_readable(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.log"
    with open(path, "wb") as file:  # noqa: PTH123 - a name that is not text
        file.write(LOG)
    found = next(discover([tmp_path], LIMITS))
    found.origin.encode("utf-8")
    assert sum(chunk.events.height for chunk in read(found, LIMITS)[1]) == 3


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert reason(tmp_path) == ["empty"]


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_a_file_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(LOG) if packed else LOG)
    with (tmp_path / "a").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        found = [
            (given.content, sum(chunk.events.height for chunk in read(given, LIMITS)[1])) for given in discover([STDIN, STDIN], LIMITS)
        ]
    assert found == [(next(discover([tmp_path], LIMITS)).content, 3)]
