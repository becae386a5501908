"""The entity model: windows of entities (rows of `features`) as vectors, scored in bits, with reasons; and its blob.

The blob is one safetensors file: arrays by name, and a JSON manifest as its metadata. No pickle; every array is checked on the way in,
so that a foreign blob can be refused but can neither run code nor loop. `EntityModel.onnx` gives the forest for other runtimes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline.codes import Floats
from nonself.baseline.ecdf import Surprise
from nonself.core.errors import StateError
from nonself.core.finding import Reason
from nonself.detect import forest_onnx
from nonself.detect.encoding import Encoding
from nonself.detect.forest import Forest
from nonself.detect.gauss import KNOTS, Gauss
from nonself.detect.vector_model import VectorModel

FORMAT = "nonself entity model 1"
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
_MOST_HEADER = 16 << 20
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class EntityModel:
    """`encoding` makes vectors of a frame's rows, `vectors` scores them; `rows` and `seed` say what it was fitted on and how."""

    encoding: Encoding
    vectors: VectorModel
    rows: int
    seed: int

    @classmethod
    def fit(cls, frame: pl.DataFrame, seed: int = 0) -> EntityModel:
        """A model of a frame of features, one row per entity and window (`serve.features`), or of any other table of numbers and text."""
        encoding = Encoding.fit(frame)
        return cls(encoding, VectorModel.fit(encoding.matrix(frame), seed), frame.height, seed)

    def score(self, frame: pl.DataFrame) -> Floats:
        """Bits of each row; its columns must be those of training, in any order, with others beside them."""
        return self.vectors.score(self.encoding.matrix(frame))

    def reasons(self, frame: pl.DataFrame, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's bits by feature: the `top` largest shares, and the rest as one; they add up to `score`."""
        matrix = self.encoding.matrix(frame)
        shares = self.vectors.shares(matrix)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
        return [self._row(row, share, best) for row, share, best in zip(matrix, shares, order, strict=True)]

    def _row(self, row: Floats, share: Floats, best: npt.NDArray[np.int64]) -> tuple[Reason, ...]:
        names, gauss = self.encoding.names, self.vectors.gauss
        told = tuple(
            Reason(
                feature=names[i],
                seen=f"{row[i]:.6g}",
                normal=f"median {gauss.centre[i]:.6g}, spread {gauss.spread[i]:.6g} in {self.rows:,} rows",
                bits=float(share[i]),
            )
            for i in best.tolist()
        )
        rest = float(share.sum()) - sum(reason.bits for reason in told)
        if len(names) == len(told):
            return told
        others = f"{len(names) - len(told)} other features"
        return (*told, Reason(feature=others, seen="together", normal="each less odd than those above", bits=rest))

    def onnx(self) -> bytes:
        """The forest as one TreeEnsembleRegressor node over the encoded row: sum of path lengths."""
        return forest_onnx.model(self.vectors.forest, len(self.encoding.names))

    def dump(self) -> bytes:
        """The blob; the same model gives the same bytes."""
        model = self.vectors
        arrays: Arrays = {"missing": model.missing}
        parts: tuple[tuple[str, Forest | Gauss | Surprise], ...] = (("forest", model.forest), ("gauss", model.gauss), *_surprises(model))
        for name, part in parts:
            arrays |= {f"{name}.{f.name}": np.asarray(getattr(part, f.name)) for f in fields(part)}
        manifest = {"format": FORMAT, "rows": self.rows, "seed": self.seed, "encoding": self.encoding.as_json()}
        return _packed(arrays, manifest)

    @classmethod
    def load(cls, blob: bytes) -> EntityModel:
        """The model of a blob. Raises StateError for anything that `dump` does not write."""
        try:
            arrays, manifest = _unpacked(blob)
            if manifest["format"] != FORMAT:
                raise ValueError(f"format {manifest['format']!r}")
            encoding = Encoding.from_json(manifest["encoding"])
            return cls(encoding, _model(arrays, len(encoding.names)), int(manifest["rows"]), int(manifest["seed"]))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            raise StateError(expected=f"a blob of {FORMAT}", got=f"{type(error).__name__}: {error}"[:200]) from None


def _arrays(gauss: Gauss) -> list[npt.NDArray[Any]]:
    return [np.asarray(getattr(gauss, f.name)) for f in fields(gauss)]


def _surprises(model: VectorModel) -> tuple[tuple[str, Surprise], ...]:
    return (("forest_bits", model.forest_bits), ("gauss_bits", model.gauss_bits))


def _packed(arrays: Arrays, manifest: Mapping[str, object]) -> bytes:
    """safetensors: length of the header (8 bytes, little endian), the header as JSON padded to 8 bytes, then the arrays."""
    header: dict[str, object] = {"__metadata__": {"manifest": json.dumps(manifest, sort_keys=True)}}
    parts, at = [], 0
    for name in sorted(arrays):
        kind = {"f4": "F32", "f8": "F64", "i8": "I64"}[arrays[name].dtype.str[1:]]
        data = np.ascontiguousarray(arrays[name], _DTYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(arrays[name].shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def _unpacked(blob: bytes) -> tuple[Arrays, dict[str, Any]]:
    size = int.from_bytes(blob[:8], "little")
    if len(blob) < 8 or size > min(len(blob) - 8, _MOST_HEADER):
        raise ValueError("no safetensors header")
    header = json.loads(blob[8 : 8 + size])
    manifest: dict[str, Any] = json.loads(header.pop("__metadata__")["manifest"])
    arrays: Arrays = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if not 0 <= start <= end <= len(blob) - 8 - size:
            raise ValueError(f"{name} lies outside the blob")
        data = np.frombuffer(blob[8 + size + start : 8 + size + end], _DTYPES[entry["dtype"]])
        arrays[name] = data.reshape([_whole(n) for n in entry["shape"]])
    return arrays, manifest


def _whole(number: object) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"a length of {number!r}")
    return number


def _model(arrays: Arrays, features: int) -> VectorModel:
    forest = Forest(*(arrays[f"forest.{f.name}"] for f in fields(Forest)))
    gauss = Gauss(*(arrays[f"gauss.{f.name}"] for f in fields(Gauss)))
    bits = [Surprise(arrays[f"{n}.scores"], arrays[f"{n}.bits"], float(arrays[f"{n}.slope"])) for n in ("forest_bits", "gauss_bits")]
    model = VectorModel(forest, gauss, bits[0], bits[1], arrays["missing"])
    _check(model, features)
    return model


def _check(model: VectorModel, features: int) -> None:
    """Shapes agree, numbers are finite, every way through a tree stays in the arrays and ends."""
    forest, gauss = model.forest, model.gauss
    nodes, index = len(forest.left), np.arange(len(forest.left))
    shapes = [forest.feature.shape, forest.threshold.shape, forest.path.shape, forest.left.shape]
    inner = forest.left != index
    good = [
        set(shapes) == {(nodes,)} and nodes > 0,
        {gauss.centre.shape, gauss.spread.shape, gauss.mean.shape, model.missing.shape} == {(features,)},
        gauss.values.shape == gauss.scores.shape == (features, KNOTS) and bool((np.diff(gauss.values, axis=1) >= 0).all()),
        gauss.precision.shape == (features, features) and bool((gauss.spread > 0).all()),
        forest.roots.ndim == 1 and len(forest.roots) > 0 and forest.roots[0] == 0 and bool((np.diff(forest.roots, append=nodes) > 0).all()),
        bool(((forest.feature >= 0) & (forest.feature < features)).all()),
        bool((forest.left >= index).all() and (forest.left[inner] > index[inner]).all() and (forest.left[inner] + 1 < nodes).all()),
        0 <= forest.depth <= 64,
        all(len(b.scores) == len(b.bits) > 0 and bool((np.diff(b.scores) > 0).all()) for _, b in _surprises(model)),
        all(bool(np.isfinite(a).all()) for a in (*_arrays(gauss), forest.path, model.missing)),
        bool(np.isfinite([b.slope for _, b in _surprises(model)]).all()),
    ]
    if not all(good):
        raise ValueError(f"check {good.index(False)} of the arrays failed")
