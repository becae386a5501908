"""The entity model: ranks, forest, Gaussian, bits that add up, and a blob that can be trusted."""

from __future__ import annotations

import json
import sys

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nonself.baseline.ecdf import Ecdf, Surprise
from nonself.core.errors import StateError, UsageError
from nonself.detect import forest_onnx
from nonself.detect.encoding import Encoding
from nonself.detect.entity_model import EntityModel
from nonself.detect.forest import Forest, mean_depth
from nonself.detect.gauss import Gauss
from nonself.detect.vector_model import VectorModel
from nonself.lab import bench_entity

Matrix = npt.NDArray[np.float64]


def _column(seed: int, n: int, distinct: int) -> Matrix:
    random = np.random.default_rng(seed)
    return random.choice(random.integers(-1_000, 1_000, distinct), n).astype(np.float64)


columns = st.builds(_column, st.integers(0, 2**32), st.integers(1, 2_000), st.integers(1, 1_500))
anything = st.floats(width=64) | st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0])
rows_of_anything = arrays.arrays(np.float64, st.tuples(st.integers(20, 60), st.integers(1, 4)), elements=anything)


def table(n: int = 400, features: int = 5, seed: int = 1) -> Matrix:
    random = np.random.default_rng(seed)
    return np.exp(random.normal(0.0, 1.0, (n, features))) * np.array([1.0, 1e3, 1.0, 1e6, 1e-3])[:features]


def model(seed: int = 0) -> VectorModel:
    return VectorModel.fit(table(), seed)


def same(one: Forest, other: Forest) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("roots", "feature", "threshold", "left", "path"))


@given(columns)
def test_ranks_are_mid_ranks_at_the_knots(column: Matrix) -> None:
    ecdf = Ecdf.fit(column)
    wanted = [((column < v).sum() + (column == v).sum() / 2) / len(column) for v in ecdf.values]
    assert np.allclose(ecdf.rank(ecdf.values), wanted)
    assert len(ecdf.values) <= 256
    assert {column.min(), column.max()} <= set(ecdf.values)


@given(columns, st.lists(st.floats(-2_000, 2_000), min_size=2, max_size=20))
def test_ranks_never_fall(column: Matrix, asked: list[float]) -> None:
    ranks = Ecdf.fit(column).rank(np.sort(asked))
    assert (np.diff(ranks) >= 0).all()
    assert ((ranks >= 0) & (ranks <= 1)).all()


@given(columns)
def test_ranks_of_the_data_do_not_change_under_a_rising_map(column: Matrix) -> None:
    plain, mapped = Ecdf.fit(column), Ecdf.fit(np.cbrt(column) * 3.0 + 7.0)
    assert np.array_equal(plain.ranks, mapped.ranks)
    assert np.allclose(np.cbrt(plain.values) * 3.0 + 7.0, mapped.values)


@given(columns, st.floats(0.0, 1.0))
def test_a_value_and_its_rank_lead_to_each_other(column: Matrix, share: float) -> None:
    ecdf = Ecdf.fit(column)
    inside = ecdf.values[0] + share * (ecdf.values[-1] - ecdf.values[0])
    assert ecdf.value(ecdf.rank(np.array([inside])))[0] == pytest.approx(inside, abs=1e-6)


@given(columns)
def test_bits_are_the_rank_among_training_scores(scores: Matrix) -> None:
    surprise = Surprise.fit(scores)
    asked = np.sort(scores)[-1_000:]  # below the 1,024 largest they are interpolated
    wanted = [-np.log2((1 + (scores >= s).sum()) / (len(scores) + 1)) for s in asked]
    assert np.allclose(surprise.of(asked), wanted)


@given(columns, st.floats(1e-3, 1e6))
def test_bits_go_on_rising_beyond_the_training_scores(scores: Matrix, step: float) -> None:
    top = scores.max()
    bits = Surprise.fit(scores).of(np.array([top, top + step, top + 2 * step]))
    assert np.isfinite(bits).all()
    assert bits[0] < bits[1] < bits[2]


def test_an_exponential_tail_is_continued_as_one() -> None:
    scores = np.random.default_rng(3).exponential(1.0, 20_000)
    bits = Surprise.fit(scores).of(np.array([15.0, 20.0]))
    assert bits[1] - bits[0] == pytest.approx(5 * np.log2(np.e), rel=0.15)


def test_mean_depth_is_that_of_random_trees() -> None:
    found = mean_depth(np.array([0, 1, 2, 3, 256]))
    harmonic = sum(1.0 / k for k in range(1, 256))
    assert found[:3].tolist() == [0.0, 0.0, 1.0]
    assert found[4] == pytest.approx(2 * harmonic - 2 * 255 / 256, rel=0.01)


def test_a_forest_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    rows = table().astype(np.float32)
    assert same(Forest.fit(rows, 4), Forest.fit(rows, 4))
    assert not same(Forest.fit(rows, 4), Forest.fit(rows, 5))


@given(st.integers(1, 80), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_every_tree_partitions_its_rows(n: int, features: int, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 5, (n, features)).astype(np.float32)
    forest = Forest.fit(rows, seed, trees=3)
    size = np.diff(forest.roots, append=len(forest.left))
    inner = ~forest.leaf
    assert (forest.left[inner] > np.flatnonzero(inner)).all()
    assert (2 * np.add.reduceat(inner.astype(int), forest.roots) + 1 == size).all()  # a full binary tree
    assert np.allclose(forest.paths(rows).mean(), forest.path[forest.roots].sum(), atol=0.02)  # few enough rows: each tree saw all


def test_paths_and_shares_add_up() -> None:
    rows = table().astype(np.float32)
    forest = Forest.fit(rows)
    strange = np.vstack([rows[:50], rows[:5] * 1e4, -rows[:5]])
    assert np.allclose(forest.shares(strange).sum(axis=1), forest.path[forest.roots].sum() - forest.paths(strange), atol=1e-9)


def test_cuts_in_rank_space_ignore_how_a_feature_is_stretched() -> None:
    rows = np.random.default_rng(2).normal(0.0, 1.0, (200, 3))  # at most as many as knots
    plain, stretched = Forest.fit(rows.astype(np.float32)), Forest.fit(np.exp(rows * 3.0).astype(np.float32))
    assert np.array_equal(plain.feature, stretched.feature)
    paths = plain.paths(rows.astype(np.float32)), stretched.paths(np.exp(rows * 3.0).astype(np.float32))
    assert np.array_equal(*paths)


def test_outliers_of_either_kind_get_the_most_bits() -> None:
    random = np.random.default_rng(5)
    first = random.normal(0.0, 1.0, 2_000)
    fitted = VectorModel.fit(np.column_stack([first, first + random.normal(0.0, 0.1, 2_000), random.normal(0.0, 1.0, 2_000)]))
    usual, far, uncorrelated = fitted.score(np.array([[0.1, 0.1, 0.0], [30.0, 30.0, 0.0], [1.5, -1.5, 0.0]]))
    assert far > 10.0 > 4.0 > usual
    assert uncorrelated > usual + 3.0


@given(rows_of_anything, arrays.arrays(np.float64, (7, 4), elements=anything))
@settings(max_examples=25)
def test_no_value_breaks_the_model(rows: Matrix, asked: Matrix) -> None:
    asked = asked[:, : rows.shape[1]]
    fitted = VectorModel.fit(rows)
    bits, shares = fitted.score(asked), fitted.shares(asked)
    assert np.isfinite(bits).all()
    assert (bits >= 0).all()
    assert (shares >= 0).all()
    assert np.allclose(shares.sum(axis=1), bits)


def test_a_missing_value_is_the_median() -> None:
    rows = table()
    rows[::7, 2] = np.nan
    fitted = VectorModel.fit(rows)
    gap, filled = rows[:1].copy(), rows[:1].copy()
    gap[0, 1], filled[0, 1] = np.nan, fitted.missing[1]
    assert fitted.score(gap)[0] == fitted.score(filled)[0]


def test_columns_that_never_vary_change_no_order() -> None:
    rows = table()
    padded = np.hstack([rows, np.full((len(rows), 3), 8.0)])
    order = np.argsort(VectorModel.fit(rows).parts(rows)[1])
    assert np.array_equal(order, np.argsort(VectorModel.fit(padded).parts(padded)[1]))
    changed = padded[:1].copy()
    changed[0, -1] = 9e9
    assert VectorModel.fit(padded).score(changed)[0] > VectorModel.fit(padded).score(padded[:1])[0]


def test_rows_are_scored_alike_alone_and_in_batches() -> None:
    fitted, rows = model(), np.vstack([table(9_000, 5, 8), table(3, 5, 9) * 50.0])
    bits = fitted.score(rows)
    assert [fitted.score(rows[i : i + 1])[0] for i in (0, 17, 8_999, 9_002)] == pytest.approx(bits[[0, 17, 8_999, 9_002]], rel=1e-12)
    assert fitted.score(rows[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(19, 3), (30, 0)])
def test_too_little_to_learn_from_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="at least 20 rows"):
        VectorModel.fit(np.zeros(shape))


def frame(n: int = 200) -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame({
        "entity": [f"host{i}" for i in range(n)],
        "events": random.poisson(20, n),
        "bytes": [None if i % 9 == 0 else float(v) for i, v in enumerate(random.lognormal(8, 2, n))],
        "kind": ["host" if i % 4 else "user" for i in range(n)],
    })  # fmt: skip


def test_a_frame_is_scored_with_reasons_that_add_up() -> None:
    fitted = EntityModel.fit(frame())
    odd = pl.DataFrame({"kind": ["robot", "host"], "events": [20, 900], "bytes": [2e3, None], "entity": ["x", "y"]})
    bits, reasons = fitted.score(odd), fitted.reasons(odd, top=2)
    assert [sum(reason.bits for reason in row) for row in reasons] == pytest.approx(bits)
    assert reasons[0][0].feature.startswith("kind")
    assert (reasons[1][0].feature, reasons[1][0].seen) == ("events", "900")
    assert (bits > fitted.score(frame()).mean()).all()


def test_a_name_is_not_a_feature() -> None:
    assert Encoding.fit(frame()).names == ("events", "bytes", "kind (rarity)", "kind = host", "kind = user")


def test_a_frame_without_a_column_is_refused() -> None:
    with pytest.raises(UsageError, match="'bytes'"):
        EntityModel.fit(frame()).score(frame().drop("bytes"))


def test_text_is_rarity_and_its_common_values() -> None:
    texts = pl.DataFrame({"t": ["a"] * 150 + ["b"] * 49 + [None]})
    encoding = Encoding.fit(texts)
    assert encoding.names == ("t (rarity)", "t = a", "t = b")
    matrix = encoding.matrix(pl.DataFrame({"t": ["a", "zzz", None]}))
    assert matrix[:, 0].tolist() == pytest.approx([-np.log2(151 / 201), np.log2(201), -np.log2(2 / 201)])
    assert matrix[:, 1].tolist() == [1.0, 0.0, 0.0]


@given(st.integers(0, 1_000))
@settings(max_examples=3)
def test_a_blob_gives_the_same_model_and_the_same_blob(seed: int) -> None:
    fitted = EntityModel.fit(frame(), seed)
    blob = fitted.dump()
    loaded = EntityModel.load(blob)
    assert loaded.dump() == blob == EntityModel.fit(frame(), seed).dump()
    assert loaded.score(frame()).tobytes() == fitted.score(frame()).tobytes()
    assert loaded.onnx() == fitted.onnx()


def _with(blob: bytes, name: str, value: object) -> bytes:
    """The blob with one array overwritten by one value."""
    size = int.from_bytes(blob[:8], "little")
    entry = json.loads(blob[8 : 8 + size])[name]
    start, end = (8 + size + at for at in entry["data_offsets"])
    dtype = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}[entry["dtype"]]
    count = int(np.prod(entry["shape"]))
    return blob[:start] + np.full(count, value, dtype).tobytes() + blob[end:]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("forest.left", 0), ("forest.left", 10**9), ("forest.left", -5), ("forest.feature", 99), ("forest.feature", -1),
        ("forest.path", np.nan), ("forest.roots", 3), ("forest.depth", 10**6), ("gauss.spread", 0.0), ("gauss.precision", np.inf),
        ("forest_bits.scores", 1.0), ("gauss_bits.slope", np.nan), ("missing", np.nan),
    ],
)  # fmt: skip
def test_a_tampered_blob_is_refused(name: str, value: float) -> None:
    with pytest.raises(StateError, match="expected a blob"):
        EntityModel.load(_with(EntityModel.fit(frame()).dump(), name, value))


@given(st.binary(max_size=64), st.integers(0, 5_000), st.integers(0, 255))
@settings(max_examples=40)
def test_a_broken_blob_is_refused_or_harmless(junk: bytes, place: int, byte: int) -> None:
    good = _BLOB[:place] + bytes([byte]) + _BLOB[place + 1 :]
    for blob in (junk, good, _BLOB[:place], (2**62).to_bytes(8, "little") + junk):
        try:
            loaded = EntityModel.load(blob)
            loaded.score(frame(20))
        except (StateError, UsageError):
            continue


_BLOB = EntityModel.fit(frame()).dump()


@pytest.mark.parametrize("few", [1, 8, 9, 300])
def test_normal_scores_are_linear_between_knots(few: int) -> None:
    random = np.random.default_rng(few)
    train = np.column_stack([random.normal(size=500), random.integers(0, 3, 500), np.full(500, 7.0)]).astype(np.float32)
    gauss = Gauss.fit(train)
    rows = np.vstack([train[: few // 2], train[random.integers(0, 500, few - few // 2)] / np.float32(1.5)])
    inside = np.clip(rows, gauss.values[:, 0], gauss.values[:, -1]).astype(np.float32)
    for column, (values, scores) in enumerate(zip(gauss.values, gauss.scores, strict=True)):
        last = np.concatenate([[True], values[1:] > values[:-1]])  # knots filled up with the largest are one
        wanted = np.interp(inside[:, column], values[last], scores[last])
        assert np.allclose(gauss.normal_scores(inside)[:, column], wanted, rtol=1e-9, atol=1e-9)


def test_bench_entity_tells_what_scoring_costs() -> None:
    pytest.importorskip("onnxruntime", reason="ONNXRUNTIME ABSENT: `nonself bench entity` is not tested")
    found = bench_entity.measure()
    assert found["features"] == 68 and found["score_us_per_row"] > found["onnx_us_per_row"] > 0
    assert 10 < found["onnx_peak_rss_mb"] < 400


def test_bench_entity_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_entity, "TRAINED", 50)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="onnxruntime"):
        bench_entity.measure()


def test_onnxruntime_gives_the_same_paths() -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNXRUNTIME ABSENT: parity of the exported forest is not tested")
    fitted = model()
    rows = np.vstack([table(500, 5, 3), table(20, 5, 4) * 1e3, -table(5)]).astype(np.float32)
    session = runtime.InferenceSession(forest_onnx.model(fitted.forest, 5), providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(None, {"rows": rows})[0][:, 0], fitted.forest.paths(rows))


def test_the_onnx_model_is_valid_and_one_node() -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX ABSENT: the exported forest is not checked against the standard")
    loaded = onnx.load_from_string(forest_onnx.model(model().forest, 5))
    onnx.checker.check_model(loaded, full_check=True)
    assert [node.op_type for node in loaded.graph.node] == ["TreeEnsembleRegressor"]
