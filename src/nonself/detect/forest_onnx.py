"""A forest as ONNX: one TreeEnsembleRegressor node (ai.onnx.ml, opset 3), rows of float32 in, sums of path lengths out.

The model is one node, and protobuf's wire format for it is two kinds of field, so it is written here and the `onnx` package (31 MB, with
protobuf) is not needed to fit or score. Field numbers are those of onnx.proto3 of ONNX 1.12 (IR version 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from nonself.detect.forest import Forest

IR_VERSION, OPSET, ML_OPSET = 8, 17, 3
_FLOAT, _FLOATS, _INTS, _STRINGS, _INT, _STRING = 1, 6, 7, 8, 2, 3
INPUT, OUTPUT = "rows", "paths"


def model(forest: Forest, features: int) -> bytes:
    """The model: input `rows` float32 (n, features), output `paths` float32 (n, 1), equal to `Forest.paths` bit for bit."""
    graph = [
        _message(1, _node(forest)),
        _text(2, "isolation forest"),
        _message(11, _tensor(INPUT, features)),
        _message(12, _tensor(OUTPUT, 1)),
    ]
    opsets = [[_text(1, ""), _number(2, OPSET)], [_text(1, "ai.onnx.ml"), _number(2, ML_OPSET)]]
    return b"".join([_number(1, IR_VERSION), _text(2, "nonself"), _message(7, graph), *(_message(8, opset) for opset in opsets)])


def session(onnx: bytes) -> Any | None:
    """An onnxruntime session of one thread for a model; None where onnxruntime is not installed."""
    try:
        import onnxruntime  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def _node(forest: Forest) -> list[bytes]:
    tree = np.repeat(np.arange(len(forest.roots)), np.diff(forest.roots, append=len(forest.left)))
    local = np.arange(len(forest.left)) - forest.roots[tree]
    leaf = forest.leaf
    left = np.where(leaf, 0, forest.left - forest.roots[tree])
    attributes = [
        _ints("nodes_treeids", tree), _ints("nodes_nodeids", local), _ints("nodes_featureids", forest.feature),
        _floats("nodes_values", np.where(leaf, np.float32(0), forest.threshold)),
        _attribute("nodes_modes", _STRINGS, b"".join(_bytes(9, b"LEAF" if end else b"BRANCH_LEQ") for end in leaf)),
        _ints("nodes_truenodeids", left), _ints("nodes_falsenodeids", np.where(leaf, 0, left + 1)),
        _ints("target_treeids", tree[leaf]), _ints("target_nodeids", local[leaf]), _ints("target_ids", np.zeros(int(leaf.sum()), np.int64)),
        _floats("target_weights", forest.path[leaf]), _attribute("n_targets", _INT, _number(3, 1)),
        _attribute("aggregate_function", _STRING, _bytes(4, b"SUM")),
    ]  # fmt: skip
    return [_text(1, INPUT), _text(2, OUTPUT), _text(4, "TreeEnsembleRegressor"), *attributes, _text(7, "ai.onnx.ml")]


def _tensor(name: str, columns: int) -> list[bytes]:
    """ValueInfo of a float tensor of any number of rows."""
    shape = [_message(1, [_text(2, "n")]), _message(1, [_number(1, columns)])]
    return [_text(1, name), _message(2, [_message(1, [_number(1, _FLOAT), _message(2, shape)])])]


def _ints(name: str, values: npt.NDArray[np.int64]) -> bytes:
    return _attribute(name, _INTS, _bytes(8, b"".join(map(_varint, values.tolist()))))


def _floats(name: str, values: npt.NDArray[np.floating]) -> bytes:
    return _attribute(name, _FLOATS, _bytes(7, np.asarray(values, "<f4").tobytes()))


def _attribute(name: str, kind: int, value: bytes) -> bytes:
    return _message(5, [_text(1, name), value, _number(20, kind)])


def _message(field: int, parts: Iterable[bytes]) -> bytes:
    return _bytes(field, b"".join(parts))


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the low ones first; `value` is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
