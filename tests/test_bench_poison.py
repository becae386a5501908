"""The poisoning benchmark: what is taught is forgotten as an attack, what is not is not; the report adds up."""

import json

from nonself.lab import bench_poison


def test_the_drip_teaches_a_rarity_and_is_seen_doing_so(monkeypatch, capsys):
    monkeypatch.setattr(bench_poison, "COPIES", 12)
    assert bench_poison.run(as_json=True, only=["rare-process-by-user", "failed-logons-of-user", "rare-logon-time"]) == 0
    document = json.loads(capsys.readouterr().out)
    rows = {(row["detector"], row["rate"]): row for row in document["detectors"]}
    assert len(rows) == 6 and all(row["start"] >= bench_poison.FOUND for row in rows.values())
    rare, burst = rows["rare-process-by-user", 0.01], rows["failed-logons-of-user", 0.01]
    assert rare["seen"] == 1 <= rare["evaded"] and rare["end"] < bench_poison.FOUND <= burst["end"] and burst["evaded"] is None
    for row in document["rates"]:
        assert row["canaries"] == 3 and row["evaded"] >= row["canaries"] - row["kept"] and row["evaded_unseen"] <= row["evaded"]


def test_without_a_drip_the_attack_stays_found(monkeypatch, capsys):
    monkeypatch.setattr(bench_poison, "RATES", (0.0,))
    monkeypatch.setattr(bench_poison, "COPIES", 4)
    assert bench_poison.run(as_json=False, only=["rare-process-by-user"]) == 0
    assert "1 of 1 attacks still found; 0 evaded" in capsys.readouterr().out
