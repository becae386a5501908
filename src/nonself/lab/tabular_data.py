"""Labelled tables for the tabular benchmark: NumPy archives and CSV, and how they are split into training and test rows."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from nonself.baseline.codes import Ints, Mask
from nonself.core.errors import UsageError

LABELS = ("y", "label", "class")
NORMAL_WORDS = ("0", "0.0", "normal", "benign", "false", "inlier", "no")
CONTAMINATION = 0.01


@dataclass(frozen=True, slots=True)
class Table:
    """`frame` holds the features, `anomaly` the labels; `train` is the split that came with the data, if any."""

    name: str
    frame: pl.DataFrame
    anomaly: Mask
    train: Mask | None


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers. `train` are normal rows only, `dirty` the anomalies that are added to them to contaminate; neither is tested on."""

    train: Ints
    dirty: Ints
    normal: Ints
    anomalies: Ints


def read(path: Path) -> Table:
    """An `.npz` with X and y (1, or anything but 0, is an anomaly), and `train` (boolean) where the split is given; or with X_train,
    y_train, X_test, y_test; or a CSV with a header whose label column is named y, label or class, or else is the last.

    Raises UsageError for anything else. Arrays of Python objects are refused, since reading them would run what they hold.
    """
    if not path.is_file():
        raise UsageError(expected="a .npz or .csv file", got=str(path))
    table = _npz(path) if path.suffix == ".npz" else _csv(path)
    if not table.frame.width or not table.anomaly.any() or table.anomaly.all():
        raise UsageError(expected="features, and rows of both labels", got=f"{table.frame.width} features", where=str(path))
    return table


def split(table: Table, seed: int) -> Split:
    """The given split, or half of the normal rows to train on and all others to test on, drawn anew for each seed.

    Rows labelled as anomalies are never trained on, but for `dirty`: as many as make 1 % of the contaminated training rows, from the given
    training part where it has any, otherwise from the test part, at most half of it; they are then not tested on.
    """
    random = np.random.default_rng([seed, 1])
    normal, odd = np.flatnonzero(~table.anomaly), random.permutation(np.flatnonzero(table.anomaly))
    if table.train is not None:
        train, test = normal[table.train[normal]], normal[~table.train[normal]]
        trained, tested = odd[table.train[odd]], odd[~table.train[odd]]
    else:
        normal = random.permutation(normal)
        train, test = normal[: len(normal) // 2], normal[len(normal) // 2 :]
        trained, tested = odd[:0], odd
    if not len(train) or not len(test) or not len(tested):
        raise UsageError(
            expected="normal rows to train on, and rows of both labels to test on", got="a part without rows", where=table.name
        )
    wanted = max(1, round(len(train) * CONTAMINATION / (1.0 - CONTAMINATION)))
    dirty = trained[:wanted] if len(trained) else tested[: min(wanted, len(tested) // 2)]
    return Split(train, dirty, test, np.setdiff1d(tested, dirty))


def _npz(path: Path) -> Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        do = "save it with plain numbers or fixed-width text (X.astype(float), or astype(str)); object arrays are pickles and never read"
        raise UsageError(expected="a .npz of plain arrays", got=str(error)[:200], do=do, where=str(path)) from None
    if {"X", "y"} <= arrays.keys():
        train = arrays["train"].astype(bool) if "train" in arrays else None
        return _table(path, arrays["X"], arrays["y"], train)
    names = ("X_train", "y_train", "X_test", "y_test")
    if not set(names) <= arrays.keys():
        raise UsageError(expected=f"arrays X and y, or {', '.join(names)}", got=", ".join(sorted(arrays)), where=str(path))
    sizes = [len(arrays["y_train"]), len(arrays["y_test"])]
    if arrays["X_train"].shape[1:] != arrays["X_test"].shape[1:]:
        raise UsageError(expected="as many features in X_test as in X_train", got=str(arrays["X_test"].shape), where=str(path))
    x, y = (np.concatenate([arrays[f"{name}_train"], arrays[f"{name}_test"]]) for name in "Xy")
    return _table(path, x, y, np.repeat([True, False], sizes))


def _table(path: Path, x: npt.NDArray[np.generic], y: npt.NDArray[np.generic], train: Mask | None) -> Table:
    if x.ndim != 2 or y.shape != x.shape[:1] or (train is not None and train.shape != y.shape):
        raise UsageError(
            expected="X of shape (rows, features), y and train of shape (rows,)", got=f"{x.shape} and {y.shape}", where=str(path)
        )
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    frame = pl.DataFrame({name: _numbers(pl.Series(name, column.astype(str))) for name, column in columns.items()}
                         if x.dtype.kind in "US" else {name: column.astype(np.float64) for name, column in columns.items()})  # fmt: skip
    return Table(path.name, frame, _anomaly(pl.Series(y.astype(str)), path), train)


def _csv(path: Path) -> Table:
    try:
        text = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(expected="a CSV with a header", got=str(error)[:200], where=str(path)) from None
    named = [name for name in text.columns if name.strip().lower() in LABELS]
    label = named[0] if named else text.columns[-1]
    train = _anomaly(text["train"], path) if "train" in text.columns else None
    frame = text.drop([label, *(["train"] if train is not None else [])])
    return Table(path.name, frame.select(_numbers(column) for column in frame), _anomaly(text[label], path), train)


def _numbers(column: pl.Series) -> pl.Series:
    """A text column as numbers where all its values are, as it is otherwise."""
    text = column.str.strip_chars()
    text = text.set(text == "", None)
    numbers = text.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == text.null_count() else column


def _anomaly(labels: pl.Series, path: Path) -> Mask:
    """True for every label but 0 and the usual words for normal."""
    if labels.null_count():
        raise UsageError(expected="a label in every row", got=f"{labels.null_count()} rows without", where=str(path))
    return ~labels.str.strip_chars().str.to_lowercase().str.strip_chars(".").is_in(NORMAL_WORDS).to_numpy()
