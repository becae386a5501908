"""Lines as one buffer of bytes and the places of its blanks, so that words are found and compared by arithmetic on whole columns.

A word of a line is what stands between two blanks (two blanks in a row have an empty word between them). Eight bytes are compared at
once, as one little-endian number: a regex with groups costs ten times as much a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.sources.records import decode

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_PAD = 64
"""Line ends before and after all lines: whatever is looked for just outside is there, and fits nothing."""
_BLANK, _END, _BYTE = 32, 10, 8
_FEW = 12
_TRIED = 4
"""As many values are looked for one by one before a column is cut row by row; and so many where they are not half of all."""
_ONES = 0x0101010101010101


class Places:
    """Lines joined by line ends. Line i is `buffer[start[i]:end[i]]`."""

    def __init__(self, joined: bytes) -> None:
        pad = b"\n" * _PAD
        self.buffer = np.frombuffer(b"".join((pad, joined, pad)), np.uint8)
        self.eights = eights(self.buffer)
        ends = np.flatnonzero(self.buffer[_PAD : 1 - _PAD] == _END) + _PAD
        self.end: Ints = ends
        self.start: Ints = np.concatenate([[_PAD], ends[:-1] + 1])

    @cached_property
    def marks(self) -> Ints:
        """Places of all blanks and line ends: what words stand between."""
        return np.flatnonzero((self.buffer == _BLANK) | (self.buffer == _END))

    @cached_property
    def last(self) -> Ints:
        """The mark that ends each line. The mark that ends its first word is the one after the last mark of the line before."""
        return np.flatnonzero(self.buffer[self.marks] == _END)[_PAD : 1 - _PAD]

    @property
    def first(self) -> Ints:
        """The mark that ends the first word of each line."""
        return np.concatenate([[_PAD], self.last[:-1] + 1])

    def holds(self, at: Ints, literal: bytes) -> Mask:
        """Whether these bytes stand at each place."""
        found = np.ones(len(at), np.bool_)
        for offset in range(0, len(literal), _BYTE):
            part = literal[offset : offset + _BYTE]
            here = self.eights[np.minimum(at + offset, len(self.eights) - 1) if offset else at]
            fits = (here & np.uint64((1 << 8 * len(part)) - 1)) == np.uint64(int.from_bytes(part, "little"))
            found = found & fits if offset else fits
        return found

    def number(self, start: Ints, end: Ints) -> Ints:
        """The numbers of one to eight decimal digits between the places; -1 where there is anything else."""
        size = end - start
        fits = (size >= 1) & (size <= _BYTE)
        shift = (8 * (_BYTE - np.where(fits, size, _BYTE))).astype(np.uint64)
        digits = self.eights[end - _BYTE] >> shift << shift
        kept = np.uint64(0xFFFFFFFFFFFFFFFF) >> shift << shift
        high = np.uint64(0xF0 * _ONES)
        is_digit = ((digits & high) == (np.uint64(0x30 * _ONES) & kept)) & (((digits & ~high) + np.uint64(6 * _ONES)) & high == 0) | ~fits
        digits = digits & np.uint64(0x0F * _ONES)
        # Neighbours are joined in pairs: digits to tens, tens to thousands, thousands to the whole.
        digits = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
        digits = (digits * np.uint64(100) + (digits >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
        digits = (digits * np.uint64(10_000) + (digits >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
        return np.where(fits & is_digit, digits.astype(np.int64), -1)


class Lines(Places):
    """Lines and, as `text`, the column of them. What isn't UTF-8 becomes U+FFFD in both."""

    def __init__(self, lines: list[bytes]) -> None:
        try:
            self.text = pl.Series(lines, dtype=pl.Binary).cast(pl.String)
        except pl.exceptions.PolarsError:  # some are not UTF-8
            lines = [decode(line).encode() for line in lines]
            self.text = pl.Series(lines, dtype=pl.Binary).cast(pl.String)
        super().__init__(b"\n".join(lines))

    def cut(self, start: Ints, end: Ints, rows: Ints) -> pl.Series:
        """The texts between the places, of these rows; null where the text is empty or `start` is negative."""
        cut = self.cut_all({"": (start, end)}, rows)
        return cut.to_series() if cut.width else pl.Series([None], dtype=pl.String).new_from_index(0, len(rows))

    def cut_all(self, places: Mapping[str, tuple[Ints, Ints]], rows: Ints) -> pl.DataFrame:
        """`cut` of several fields. Fields that no row has are left out."""
        text = (self.text if len(rows) == len(self.text) else self.text.gather(rows)).cast(pl.Binary).alias("t")
        first = self.start if len(rows) == len(self.text) else self.start[rows]
        series = []
        for name, (start, end) in places.items():
            there = (start >= 0) & (end > start)
            if not there.any():
                continue
            offset = pl.Series("o", start - first)
            offset = offset if there.all() else offset.set(pl.Series(~there), None)  # nothing is cut from nowhere
            frame = pl.DataFrame([text, offset, pl.Series("n", end - start)])
            series.append(frame.select(pl.col("t").bin.slice(pl.col("o"), pl.col("n")).cast(pl.String).alias(name)).to_series())
        return pl.DataFrame(series)

    def cut_few(self, start: Ints, end: Ints, rows: Ints) -> pl.Series:
        """`cut`, for what has few values in many rows: a host, a program."""
        size, left = np.where(start >= 0, end - start, 0), np.arange(len(start))
        codes, texts = np.zeros(len(start), np.int64), [b""]
        while len(left) and len(texts) <= _FEW:
            at = left[0]
            text = self.buffer[start[at] : end[at]].tobytes() if size[at] > 0 else b""
            same = size[left] == size[at]
            if text:
                same &= self.holds(start[left], text)
            codes[left[same]] = len(texts)
            texts.append(text)
            left = left[~same]
            if len(texts) == _TRIED and len(left) > len(start) // 2:
                break
        if len(left):
            return self.cut(start, end, rows)
        return pl.Series([text.decode() or None for text in texts], dtype=pl.String).gather(codes)


def eights(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """The eight bytes at every place of a buffer, as a number. A view: nothing is copied."""
    return np.ndarray((max(len(buffer) - _BYTE + 1, 0),), "<u8", buffer, strides=(1,))


@dataclass(frozen=True, slots=True)
class Said:
    """Messages, each a part of a line from some word on.

    row          number of its line
    start, end   its places in the buffer
    first, last  the marks that end its first and its last word
    """

    lines: Lines
    row: Ints
    start: Ints
    end: Ints
    first: Ints
    last: Ints

    def take(self, which: Any) -> Said:
        """Some of them, by mask or position."""
        return Said(self.lines, self.row[which], self.start[which], self.end[which], self.first[which], self.last[which])

    def cut(self) -> pl.Series:
        """The messages as a column."""
        return self.lines.cut(self.start, self.end, self.row).fill_null("")


@dataclass(frozen=True, slots=True)
class _Span:
    """Part of a form: fixed words (`text`, with the blank after them), or one word with a field between `text` and `after`."""

    word: int  # its first word; negative: counted from the message's end
    text: bytes
    name: str | None = None
    after: bytes = b""


class Form:
    """A message as its words: `Failed {auth_protocol} for {user*} from {source} port {src_port} ssh2`.

    A field is one word; that with a star is any number of words but none (at most one field of a form has one). Words before the star are
    counted from the front and those after it from the back, so no word that an attacker puts into a name moves the others.
    """

    def __init__(self, text: str) -> None:
        words = text.split(" ")
        stars = [at for at, word in enumerate(words) if word.endswith("*}")]
        self.size, self.star = len(words), stars[0] if stars else len(words)
        self.has_star = bool(stars)
        self.after_star = self.star + 1 - len(words)
        self.middle = words[self.star][1:-2] if stars else ""
        spans = [*_spans(words[: self.star], 0, self.has_star), *_spans(words[self.star + 1 :], self.after_star, False)]
        self.head = spans[0].text[:_BYTE]
        self._fixed = [span for span in spans if span.name is None and (span.word or len(span.text) > _BYTE or span.text[-1:] != b" ")]
        self._fields = [span for span in spans if span.name is not None and (span.name or span.text or span.after)]

    def begins(self, heads: npt.NDArray[np.uint64]) -> Mask:
        """Whether messages that begin with these eight bytes begin with `head`."""
        found: Mask = (heads & np.uint64((1 << 8 * len(self.head)) - 1)) == np.uint64(int.from_bytes(self.head, "little"))
        return found

    def match(self, said: Said) -> tuple[Ints, dict[str, tuple[Ints, Ints]]]:
        """Positions in `said` of the messages that have this form, and the places of their fields.

        Only messages that begin with `head` may be given."""
        words = said.last - said.first + 1
        kept = np.flatnonzero(words >= self.size if self.has_star else words == self.size)
        for span in self._fixed:
            part = said.take(kept)
            start = _start(part, span.word)
            fits = part.lines.holds(start, span.text)
            if span.text[-1:] != b" ":
                fits &= start + len(span.text) == part.end
            kept = kept[fits]
        said, places = said.take(kept), {}
        keep = np.ones(len(kept), np.bool_)
        for span in self._fields if len(kept) else ():
            start, end = _start(said, span.word) + len(span.text), _end(said, span.word) - len(span.after)
            if span.text or span.after:
                keep &= said.lines.holds(start - len(span.text), span.text) & said.lines.holds(end, span.after) & (start <= end)
            if span.name:
                places[span.name] = (start, end)
        if self.middle and len(kept):
            places[self.middle] = (_start(said, self.star), _end(said, self.after_star - 1))
        if keep.all():
            return kept, places
        return kept[keep], {name: (start[keep], end[keep]) for name, (start, end) in places.items()}


def _start(said: Said, word: int) -> Ints:
    """Where a word starts, counted from the front, or from the back if negative."""
    return said.start if word == 0 else said.lines.marks[(said.first - 1 if word > 0 else said.last) + word] + 1


def _end(said: Said, word: int) -> Ints:
    return said.end if word == -1 else said.lines.marks[(said.first if word >= 0 else said.last + 1) + word]


def _spans(words: list[str], first: int, is_front: bool) -> Iterator[_Span]:
    """The spans of consecutive words of which the first is number `first`; `is_front`: others follow."""
    fixed: list[str] = []
    for at, word in enumerate([*words, "{"]):
        before, brace, rest = word.partition("{")
        if not brace:
            fixed.append(word)
            continue
        if fixed:
            text = " ".join(fixed) + (" " if at < len(words) or is_front else "")
            yield _Span(first + at - len(fixed), text.encode())
        fixed = []
        name, _, after = rest.partition("}")
        if at < len(words):
            yield _Span(first + at, before.encode(), name, after.encode())
