"""Rule files: YAML read from strangers. Nesting, aliases and size are bounded before anything is built."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, cast

import yaml

from nonself.core.errors import RuleError
from nonself.detect.sigma.files import MAX_BYTES

MAX_DEPTH = 24
"""Rules nest 6 deep; the C parser recurses and overruns its stack at some tens of thousands."""


class _Loader(yaml.CSafeLoader):
    """Refuses a mapping with the same key twice: YAML would keep the last and lose a condition without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "the same key is given twice", node.start_mark)
        return mapping


def documents(data: bytes) -> Iterator[tuple[int, object]]:
    """All YAML documents of a file with the line each starts on (from 1), empty ones left out.

    A document that can't be built is given as the RuleError that says why; the ones after it are still read. Raises RuleError where
    the file as a whole can't be read.
    """
    return ((node.start_mark.line + 1, document) for node, document in nodes(data))


def nodes(data: bytes) -> Iterator[tuple[yaml.Node, object]]:
    """As `documents`, with each document's node, which knows the line of everything in it."""
    if len(data) > MAX_BYTES:
        raise RuleError(expected=f"a rule file of at most {MAX_BYTES} bytes", got="more")
    try:
        text = data.decode("utf-8-sig")
        _bounded(text)
        loader = _Loader(text)
        while loader.check_node():
            node = cast(yaml.Node, loader.get_node())
            document = _construct(loader, node)
            if document is not None:
                yield node, document
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuleError(_reason(error)) from None


def _construct(loader: _Loader, node: yaml.Node) -> object:
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # a date of 31 February, a list as a key
        return RuleError(_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        at = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        return f"not valid YAML: {error.problem}{at}"
    return f"not valid YAML: {' '.join(str(error).split())[:200]}"


def _bounded(text: str) -> None:
    """Walks the parser's events, which takes no stack, before the composer, which does, sees the text."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise RuleError("YAML aliases are refused: few bytes may stand for many")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise RuleError(expected=f"YAML nested at most {MAX_DEPTH} deep", got="more")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
