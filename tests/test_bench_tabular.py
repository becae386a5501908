"""The tabular benchmark: its figures against their definitions, its splits, and what it refuses to read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself import cli
from nonself.core.errors import UsageError
from nonself.lab import bench_tabular, tabular_data

Matrix = npt.NDArray[np.float64]


def archive(path: Path, **arrays: npt.NDArray[np.generic]) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def cloud(n: int = 300, odd: int = 30, features: int = 3, seed: int = 0) -> tuple[Matrix, npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    x = np.vstack([random.normal(0.0, 1.0, (n, features)), random.normal(6.0, 1.0, (odd, features))])
    return x, np.repeat([0, 1], [n, odd])


@given(st.lists(st.integers(0, 20), min_size=5, max_size=60), st.lists(st.integers(0, 25), min_size=1, max_size=30))
def test_auc_and_recall_are_what_they_are_called(normal: list[int], odd: list[int]) -> None:
    auc, _, _, recall = bench_tabular.metrics(np.array(normal, float), np.array(odd, float), 0)
    pairs = [(o > n) + (o == n) / 2 for o in odd for n in normal]
    assert auc == pytest.approx(np.mean(pairs))
    assert recall == pytest.approx(np.mean([sum(n >= o for n in normal) <= 0.01 * len(normal) for o in odd]))


def test_average_precision_is_that_of_the_ranked_list() -> None:
    normal = np.arange(198.0)  # so that two anomalies are 1 %
    assert bench_tabular.metrics(normal, np.array([500.0, 501.0]), 0)[1] == 1.0
    assert bench_tabular.metrics(normal, np.array([500.0, 196.5]), 0)[1] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert bench_tabular.metrics(np.zeros(198), np.zeros(2), 0)[1] == pytest.approx(0.01)


def test_average_precision_does_not_depend_on_how_many_anomalies_there_are() -> None:
    random = np.random.default_rng(1)
    normal, odd = random.normal(0.0, 1.0, 5_000), random.normal(2.5, 1.0, 4_000)
    few, many = (bench_tabular.metrics(normal, odd[:n], 0)[1] for n in (500, 4_000))
    assert few == pytest.approx(many, abs=0.04)


def test_an_own_split_trains_on_half_of_the_normal_rows(tmp_path: Path) -> None:
    x, y = cloud()
    table = tabular_data.read(archive(tmp_path / "a.npz", X=x, y=y))
    parts, again, other = (tabular_data.split(table, seed) for seed in (0, 0, 1))
    assert (len(parts.train), len(parts.normal), len(parts.dirty), len(parts.anomalies)) == (150, 150, 2, 28)
    everything = np.concatenate([parts.train, parts.normal, parts.dirty, parts.anomalies])
    assert sorted(everything) == list(range(330))
    assert not table.anomaly[parts.train].any()
    assert np.array_equal(parts.train, again.train)
    assert not np.array_equal(parts.train, other.train)


@pytest.mark.parametrize("form", ["mask", "four"])
def test_a_given_split_is_kept(tmp_path: Path, form: str) -> None:
    x, y = cloud()
    train = np.arange(330) % 3 == 0
    if form == "mask":
        table = tabular_data.read(archive(tmp_path / "a.npz", X=x, y=y, train=train))
        expected = train & (y == 0)
    else:
        given_ = {"X_train": x[train], "y_train": y[train], "X_test": x[~train], "y_test": y[~train]}
        table = tabular_data.read(archive(tmp_path / "a.npz", **given_))
        expected = np.concatenate([y[train] == 0, np.zeros((~train).sum(), bool)])
    parts = tabular_data.split(table, 5)
    assert np.array_equal(np.sort(parts.train), np.flatnonzero(expected))
    assert table.anomaly[parts.dirty].all()
    assert len(parts.dirty) == 1
    assert len(parts.anomalies) == 20  # those of the training part are not tested on
    assert table.train is not None
    assert table.train[parts.dirty].all()


def test_arrays_of_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(tmp_path / "exploded"),)  # type: ignore[return-value]

    x = np.array([[Bomb()], [Bomb()]], dtype=object)
    with pytest.raises(UsageError, match="never read"):
        tabular_data.read(archive(tmp_path / "a.npz", X=x, y=np.array([0, 1])))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": np.zeros(3)}, "expected arrays X and y"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(4)}, "of shape"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(3)}, "rows of both labels"),
        ({"X": np.zeros((3, 0)), "y": np.arange(3)}, "0 features"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, arrays: dict[str, npt.NDArray[np.generic]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tabular_data.read(archive(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize("junk", [b"", b"not a zip", b"PK\x03\x04junk"])
def test_what_is_no_archive_is_refused(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(junk)
    with pytest.raises(UsageError, match="plain arrays"):
        tabular_data.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("text", "columns", "anomaly"),
    [
        ("a,Label,b\n1,normal,x\n2,neptune,y\n", ["a", "b"], [False, True]),
        ("a,b,c\n1,2,0\n3,,1\n", ["a", "b"], [False, True]),
        ("y,a\n0,1\n1,\n", ["a"], [False, True]),
        ("a,class\n1,Benign\n2,1.0\n3,normal.\n", ["a"], [False, True, False]),
    ],
)
def test_a_csv_names_its_labels(tmp_path: Path, text: str, columns: list[str], anomaly: list[bool]) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    table = tabular_data.read(tmp_path / "a.csv")
    assert (table.frame.columns, table.anomaly.tolist()) == (columns, anomaly)


def test_text_features_are_used(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [f"{random.normal():.3f},{'tcp' if i % 3 else 'udp'},0" for i in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["n,proto,y", *lines, *["0.1,icmp,1"] * 9]), "utf-8")
    found = bench_tabular.measure(tmp_path / "a.csv", 1)
    assert found["clean"][bench_tabular.OURS]["auc"] > 0.95


def test_controls_are_what_they_are_called() -> None:
    train = np.column_stack([np.arange(1.0, 102.0), np.zeros(101)])
    scores = {
        name: of(np.array([[51.0, 0.0], [101.0, 0.0], [51.0, 3.0], [np.nan, 0.0]])) for name, of in bench_tabular.controls(train, 0).items()
    }
    assert scores["max robust z"].tolist() == pytest.approx([0.0, 50 * 1.349 / 50, 3.0, 0.0])
    assert scores["distance to median"].tolist() == pytest.approx([0.0, 50 * 1.349 / 50, 3.0, 0.0])
    assert scores["bin rarity"][2] > scores["bin rarity"][0] + 5
    assert scores["plain forest"][1] > scores["plain forest"][0] == scores["plain forest"][3]


def test_the_command_measures_every_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = cloud()
    one, two = archive(tmp_path / "a.npz", X=x, y=y), archive(tmp_path / "b.npz", X=x[:, :2], y=y)
    assert cli.main(["bench", "tabular", "--data", str(one), str(two), "--seeds", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [table["table"] for table in document["tables"]] == ["a.npz", "b.npz"]
    ours = document["mean"]["clean"][bench_tabular.OURS]
    assert set(ours) == set(bench_tabular.METRICS)
    assert ours["auc"] > 0.99
    assert document["tables"][0]["contamination"] == pytest.approx(2 / 152, abs=1e-5)
    assert document["tables"][0]["peak_rss_mb"] > 0


def test_no_seed_is_refused(tmp_path: Path) -> None:
    x, y = cloud()
    with pytest.raises(UsageError, match="seeds"):
        bench_tabular.tabular([archive(tmp_path / "a.npz", X=x, y=y)], seeds=0, as_json=True)


@pytest.mark.parametrize(("name", "auc"), [("6_cardio", 0.9), ("38_thyroid", 0.95)])
def test_real_tables_reach_what_they_reached(data_dir: Path, name: str, auc: float) -> None:
    path = data_dir / "tabular" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"REAL DATA ABSENT: no {path}")
    assert bench_tabular.measure(path, 1)["clean"][bench_tabular.OURS]["auc"] > auc
