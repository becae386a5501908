"""`nonself rules update`: take a release of rules from a file, a folder or a URL into the data home, checked by its hash.

No path of the archive is used: each rule is written under the hash of its content, and `manifest.json` says what it was called. The set
is put in place whole or not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nonself import sources
from nonself.core import safe
from nonself.core.errors import RecordError, UsageError
from nonself.core.safe import shorten
from nonself.detect.sigma.files import MAX_BYTES, PLACEHOLDERS, SUFFIXES, rule_files
from nonself.detect.sigma.reading import compile_files
from nonself.sources.contract import Input, Limits
from nonself.sources.lines import BROKEN

OK, PARTIAL = 0, 3
MANIFEST = "manifest.json"
MAX_DOWNLOAD = 256 << 20
MAX_RULES = 50_000
LIMITS = Limits(member_bytes=MAX_BYTES, archive_bytes=512 << 20, archive_members=MAX_RULES * 2, archive_depth=1)
_TIMEOUT = 60
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class _Found:
    """A rule file of a release: what it was called there, and its bytes."""

    origin: str
    content: bytes


def update(arguments: argparse.Namespace, home: Path) -> int:
    """Exit status: 0 the set is in place; 3 it is, but some of its files could not be read; 2 it is not."""
    if not _NAME.fullmatch(arguments.name):
        raise UsageError(expected="a name of small letters, digits, - and _", got=arguments.name)
    if arguments.sha256 is not None and not _HASH.fullmatch(arguments.sha256.lower()):
        raise UsageError(expected="--sha256 of 64 hexadecimal digits", got=arguments.sha256[:80])
    with tempfile.TemporaryDirectory() as folder:
        release = _release(arguments.source, arguments.sha256, Path(folder))
        digest = _digest(release)
        if arguments.sha256 not in (None, digest) and arguments.sha256.lower() != digest:
            raise UsageError(expected=f"a release with SHA-256 {arguments.sha256.lower()}", got=digest, do="do not use it")
        manifest = _install(release, arguments.source, digest, home / "rules" / arguments.name)
    print(safe.json(manifest) if arguments.json else _text(manifest))
    return PARTIAL if manifest["unreadable"] else OK


def _release(source: str, digest: str | None, folder: Path) -> Path:
    """The release as a local file or folder; a URL is fetched only with the hash it must have."""
    scheme = urlsplit(source).scheme
    if scheme == "https":
        if digest is None:
            raise UsageError(expected="--sha256 with a URL", got="none", do="take it from where the release is announced")
        return _download(source, folder / ("release" + "".join(Path(urlsplit(source).path).suffixes[-2:])[:16]))
    if len(scheme) > 1 and "://" in source:
        raise UsageError(expected="an https URL or a path", got=source)
    path = Path(source)
    if not path.exists():
        raise UsageError(expected="a release: a .zip, .tar.gz or folder of rules", got=source)
    return path


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows no redirect that leaves https."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it redirects to {newurl[:200]}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, target: Path) -> Path:
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPSHandler(), _HttpsOnly(), urllib.request.HTTPDefaultErrorHandler(),
                    urllib.request.HTTPErrorProcessor()):  # fmt: skip
        opener.add_handler(handler)
    try:
        with opener.open(url, timeout=_TIMEOUT) as response, target.open("wb") as file:
            left = MAX_DOWNLOAD
            while piece := response.read(1 << 20):
                left -= len(piece)
                if left < 0:
                    raise UsageError(expected=f"a release of at most {MAX_DOWNLOAD} bytes", got="more")
                file.write(piece)
    except (OSError, ValueError) as error:
        raise UsageError(f"the release can't be fetched: {error}", do="fetch it by other means and name the file") from None
    return target


def _digest(release: Path) -> str:
    """SHA-256 of a file; of a folder: of its rule files' names and contents, in order of their names."""
    digest = hashlib.sha256()
    if release.is_dir():
        for path, content in rule_files([release], builtin=False):
            if isinstance(content, bytes):
                name = Path(path).relative_to(release).as_posix().encode(errors="surrogateescape")
                digest.update(b"%d:%s%d:" % (len(name), name, len(content)) + content)
        return digest.hexdigest()
    with release.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _install(release: Path, source: str, digest: str, target: Path) -> dict[str, Any]:
    """Write the rules beside `target`, look at them, and only then put them in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        files, unreadable = _unpack(release, staged)
        compiled = compile_files(list(rule_files([staged], builtin=False)))
        evaluated = len(compiled.rules) + len(compiled.correlations)
        if not evaluated:
            raise UsageError(
                expected="a release with rules in it", got=f"{len(files)} rule files, none of which is evaluated", where=source
            )
        manifest = {
            "source": source, "sha256": digest, "folder": str(target), "files": len(files), "evaluated": evaluated,
            "not_evaluated": len(compiled.rejected), "unreadable": unreadable, "names": files,
        }  # fmt: skip
        (staged / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=True) + "\n", "utf-8")
        _replace(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return manifest


def _replace(staged: Path, target: Path) -> None:
    """Put one folder in another's place. Between the two renames there is none, and never half of one."""
    if not target.exists():
        staged.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.replace(old)
    staged.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _unpack(release: Path, staged: Path) -> tuple[dict[str, str], list[str]]:
    """Write each rule file of a release into `staged`: its name there -> what it was called; and what could not be read."""
    names: dict[str, str] = {}
    unreadable: list[str] = []
    for found in _rules(release):
        if isinstance(found, str):
            unreadable.append(found)
            continue
        if len(names) >= MAX_RULES:
            raise UsageError(expected=f"at most {MAX_RULES} rule files in a release", got="more")
        placeholders = found.origin.endswith(PLACEHOLDERS)
        name = PLACEHOLDERS if placeholders else hashlib.sha256(found.content).hexdigest()[:32] + ".yml"
        names[name] = shorten(found.origin.rpartition("!")[2], 300)
        (staged / name).write_bytes(found.content)
    return dict(sorted(names.items())), unreadable


def _rules(release: Path) -> Iterator[_Found | str]:
    """Rule files of a release, and what is wrong with those that can't be read."""
    for given in sources.discover([release], LIMITS):
        named = given.origin.endswith((*SUFFIXES, PLACEHOLDERS))
        if not named and given.head:
            continue
        try:
            content = _content(given)
        except (*BROKEN, RecordError) as error:
            yield f"{given.origin}: {error}"
            continue
        if named:
            yield _Found(given.origin, content)


def _content(given: Input) -> bytes:
    with given.open() as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RecordError("over-limit", f"more than {MAX_BYTES} bytes")
    return content


def _text(manifest: dict[str, Any]) -> str:
    lines = [
        f"{manifest['files']:,} rule files, {manifest['evaluated']:,} rules evaluated, {manifest['not_evaluated']:,} not",
        f"SHA-256 {manifest['sha256']}",
        f"in {manifest['folder']}: use it with --rules, or in the configuration as rules.dirs",
    ]
    lines += [f"  could not be read: {what}" for what in manifest["unreadable"][:20]]
    return "\n".join(map(safe.terminal, lines))
