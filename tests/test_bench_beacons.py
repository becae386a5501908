"""The beacon benchmark: RITA's formulae against RITA's own vectors, the simulated offices, and the real data where it is."""

import json

import numpy as np
import pytest

from nonself.cli import main
from nonself.core.errors import UsageError
from nonself.lab import bench_beacons, rita
from nonself.lab.beacon_traffic import CALLS, START, office


@pytest.mark.parametrize(
    ("waits", "expected"), [([98, 300] * 10, 0.746), ([1, 299, 25, 4975, 90, 2, 42, 500, 1500], 0.083), ([60] * 3, 1.0), ([60, 60], 0.0)]
)
def test_the_times_score_is_ritas(waits, expected):
    assert rita.timestamps(np.cumsum([0, *waits]).tolist()) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"), [(range(1, 11), 0.773), ([0] * 5, 0.5), ([524885, 1, 5000, 98654, 50, 41, 965842, 3], 0.008), ([7, 7], 0.0)]
)
def test_the_sizes_score_is_ritas(sizes, expected):
    assert rita.data_sizes(list(sizes)) == expected


def test_the_histogram_scores():
    assert rita.hours([5] * 24) == 1.0 and rita.hours([0] * 23 + [9]) == 0.0
    assert rita.hours([1, 100] * 12) == 1.0  # two heights
    day = rita.DAY
    assert rita.duration([1] * 5 + [0] * 19, 0, day, 0, day) == 0.0
    assert rita.duration([1] * 6 + [0] * 18, 0, day // 4, 0, day) == 0.5
    assert rita.duration([1] * 6 + [0] * 12 + [1] * 6, 0, day // 4, 0, day) == 1.0  # a run may pass midnight
    assert rita.histogram([0, 0, 3599, 3600, day], 0, day)[:2] == [3, 1] and rita.histogram([day], 0, day)[-1] == 1


def test_a_pair_with_few_times_is_no_candidate():
    assert rita.beacon([0, 60, 120], [1, 1, 1], 0, rita.DAY) is None
    found = rita.beacon(list(range(0, rita.DAY, 600)), [80] * 144, 0, rita.DAY)
    assert (found.ts, found.ds, found.hist, found.dur, found.score, found.calls) == (1.0, 1.0, 1.0, 1.0, 1.0, 144)


def test_an_office_is_the_same_for_the_same_seed_and_has_its_ten_implants():
    made = office(3)
    assert made.calls.equals(office(3).calls) and dict(made.calls.schema) == CALLS and made.calls["at"].min() >= START
    assert sum(kind.startswith("implant") for kind in made.kinds.values()) == 10
    assert {"older than 14 days", "shared by 3 or more", "shared by 2", "new, of one machine"} < set(made.kinds.values())


def test_implants_are_found_and_programs_that_are_normal_are_not(capsys, monkeypatch):
    monkeypatch.delenv("NONSELF_DATA", raising=False)
    assert bench_beacons.beacons([], as_json=True, seeds=(1,)) == 0
    out = capsys.readouterr()
    document = json.loads(out.out)
    assert "only the simulated part" in out.err and "parity" not in document
    ours, cold, peer = (document["simulated"]["methods"][name] for name in ("nonself", "nonself, cold", "RITA score"))
    for found in (ours, cold):
        assert found["found_jitter_up_to_30"] >= 0.95 and found["found_by_kind"]["implant, every 4 hours"] == 1.0
        assert found["others_in_top"]["older than 14 days"] == found["others_in_top"]["shared by 3 or more"] == 0
        assert found["others_in_top"]["people"] == 0
    assert peer["found_jitter_up_to_30"] < ours["found_jitter_up_to_30"]


def test_a_folder_without_the_data_is_told(tmp_path):
    with pytest.raises(UsageError, match="missing_host"):
        bench_beacons.beacons([tmp_path], as_json=True)
    assert main(["bench", "beacons", "--data", str(tmp_path), str(tmp_path)]) == 2


def test_ritas_own_figures_are_met_and_the_planted_channel_is_first(data_dir):
    if not all((data_dir / name).is_dir() for name, *_ in bench_beacons.PARITY):
        pytest.skip(f"REAL DATA ABSENT: no zeek/missing_host or zeek/proxy in {data_dir}")
    host, evil, google = bench_beacons.parity(data_dir)
    assert (host["calls"], evil["calls"], google["calls"]) == (331, 357, 6)
    assert host["score"] == pytest.approx(0.963, abs=0.001) and google["score"] == pytest.approx(0.586, abs=0.001)
    assert evil["score"] == pytest.approx(0.979, abs=0.005)
    assert [google[part] for part in ("ts", "ds", "dur", "hist")] == [0.48, 0.865, 1.0, 0.0]
    assert [evil[part] for part in ("ts", "ds", "dur", "hist")] == pytest.approx([0.921, 0.995, 1.0, 1.0], abs=0.006)
    planted = bench_beacons.planted(data_dir)
    assert planted["rank"] == 1 and planted["pairs"] > 9_000 and planted["bits"] > 100
