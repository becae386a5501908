"""Public data sets: small files of their shapes become events, labels find their records and are kept from every detector."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evtx_writer import event, evtx
from nonself import cli, sources
from nonself.core.errors import UsageError
from nonself.core.settings import Config
from nonself.detect.sigma import Ruleset
from nonself.lab.public import labels, run
from nonself.lab.public.judge import average_precision
from nonself.lab.public.load import Loaded, load
from nonself.lab.public.sets import SETS, named
from nonself.ledger import Ledger
from nonself.sources.contract import Limits
from samples_public import MAKERS, UNSW_WIDTH, lanl


def loaded(name: str, folder: Path, state: str = ":memory:") -> tuple[Loaded, pl.DataFrame, list[dict[str, Any]], dict[str, int]]:
    truth = folder.parent / "truth.jsonl"
    with Ledger.open(state) as ledger:
        found, _ = load(SETS[name], [folder], ledger, Ruleset.load([], builtin=False, cache=None), Config(), truth)
        return found, ledger.events(), [orjson.loads(line) for line in truth.read_bytes().splitlines()], ledger.dead_counts()


def made(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    MAKERS[name](folder)
    return folder


EXPECTED = {
    "cic-ids2017": (73, {"DoS Hulk": 9, "Web Attack - XSS": 1}, 3, 0),
    "unsw-nb15": (40, {"Fuzzers": 4}, 0, 1),
    "ctu-13": (60, {"TCP-Attempt-SPAM": 8, "UDP-DNS": 2}, 0, 0),
    "lanl": (468, {"u3@dom1": 30}, 0, 0),
    "cert": (100, {"r4.2-1-NGF0001": 4}, 0, 1),
    "optc": (40, {"day 1: initial agent": 5}, 0, 0),
}
"""Set -> events, labelled events by name, attempts, files that are no part of it."""


@pytest.mark.parametrize("name", EXPECTED)
def test_set(name: str, tmp_path: Path) -> None:
    found, events, truth, dead = loaded(name, made(name, tmp_path))
    height, labelled, attempts, skipped = EXPECTED[name]
    assert (events.height, dict(found.labelled), found.attempts, found.skipped, dead) == (height, labelled, attempts, skipped, {})
    assert found.known
    assert {row["uid"] for row in truth} <= set(events["uid"]), "truth names events that are there"
    assert len(truth) == sum(labelled.values()) + attempts
    assert not (name == "optc" or SETS[name].headers) or events["record"].min() == 0, "a header we add is no line of the file"
    assert found.cells["attack"].any()
    assert not found.cells["attack"].all()


def test_evtx_baseline(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    parts = [
        event("Security", "Microsoft-Windows-Security-Auditing", 4624, "ws1", f"2021-07-01T10:00:0{n}Z", {"LogonType": "3"})
        for n in range(9)
    ]
    (tmp_path / "set" / "Security.evtx").write_bytes(evtx(parts))
    found, events, truth, _ = loaded("evtx-baseline", tmp_path / "set")
    assert (events.height, found.known, truth, dict(found.labelled)) == (9, True, [], {}), "all of it is known to be harmless"


def test_columns(tmp_path: Path) -> None:
    by_set = {name: loaded(name, made(name, tmp_path))[1].sort("record") for name in EXPECTED}
    flow = by_set["cic-ids2017"].row(2, named=True)
    assert (flow["src_ip"], flow["dst_port"], flow["proto"], flow["duration_us"], flow["bytes_out"]) == (
        "192.168.10.2",
        80,
        "tcp",
        2_000,
        2,
    )
    assert by_set["cic-ids2017"].filter(src_ip="172.16.0.1")["duration_us"].null_count() == 13, "NaN is no duration"
    flow = by_set["unsw-nb15"].row(0, named=True)
    assert (flow["src_ip"], flow["app_proto"], flow["duration_us"], flow["bytes_in"], flow["pkts_out"]) == (
        "59.166.0.0",
        "dns",
        500_000,
        164,
        2,
    )
    assert str(flow["time"]) == "2015-01-22 11:50:14+00:00"
    logon = by_set["lanl"].filter(pl.col("src_host") == "C17693").row(0, named=True)
    assert (logon["user"], logon["user_domain"], logon["host"], logon["activity_id"], logon["status_id"]) == ("U3", "DOM1", "C200", 1, 1)
    assert sorted(by_set["lanl"]["source"].unique()) == ["lanl-auth", "lanl-dns", "lanl-flows", "lanl-proc"]
    assert dict(by_set["cert"]["source"].value_counts().iter_rows()) == dict.fromkeys(
        ("cert-logon", "cert-device", "cert-file", "cert-email", "cert-http"), 20
    )
    page = by_set["cert"].filter(source="cert-http").row(0, named=True)
    assert (page["user"], page["url_host"], page["url_path"]) == ("NGF0001", "wikileaks.example", "/Julian/0.php")
    assert by_set["cert"].filter(source="cert-device")["user"].str.starts_with("NGF").all(), "the domain is cut off"
    assert dict(by_set["optc"]["class_uid"].value_counts().iter_rows()) == {1007: 10, 4001: 10, 1001: 10, 3002: 10}
    process = by_set["optc"].row(0, named=True)
    assert (process["host"], process["user"], process["parent_pid"], str(process["time"])[:19]) == (
        "SysClient0200", "zleazer", None, "2019-09-23 15:00:33",
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name, one in SETS.items() if one.inside])
def test_no_detector_reads_a_label(name: str, tmp_path: Path) -> None:
    found, events, _, _ = loaded(name, made(name, tmp_path))
    held = " ".join(str(value) for row in events.drop("origin").iter_rows() for value in row)
    assert not [label for label in (*found.labelled, "BENIGN", "Botnet", "attack_cat") if label in held]


def test_times_as_the_first_correction_writes_them(tmp_path: Path) -> None:
    folder = made("cic-ids2017", tmp_path)
    path = next(folder.iterdir())
    path.write_text(re.sub(r"2017-07-04 10:00:(\d\d)|2017-07-03 (\d\d:\d\d:\d\d)\.0{6}", _worded, path.read_text()))
    _, events, _, dead = loaded("cic-ids2017", folder)
    assert (events.height, dead) == (73, {})
    assert str(events["time"].max()) == "2017-07-04 22:00:12+00:00"


def _worded(found: re.Match[str]) -> str:
    return f"04/07/2017 10:00:{found[1]} PM" if found[1] else f"03/07/2017 {found[2]} AM"


def test_without_labels_nothing_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made("optc", tmp_path)
    (folder / "truth.csv").unlink()
    assert run.dataset("optc", [folder], [], as_json=True) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["queues"] == {}
    assert figures["cells"] is None
    assert figures["labels"].startswith("none: its truth is a report")


def test_an_unlabelled_binetflow_is_not_harmless(tmp_path: Path) -> None:
    folder = made("ctu-13", tmp_path)
    path = next(folder.iterdir())
    path.write_text("\n".join(line.partition("flow=")[0] for line in path.read_text().splitlines()))
    assert not loaded("ctu-13", folder)[0].known


def test_figures_and_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Thirty logons in a minute from a machine nobody uses, to machines nobody visits, are found; the state is one like any other."""
    folder, state, truth = tmp_path / "lanl", tmp_path / "state", tmp_path / "told" / "truth.jsonl"
    folder.mkdir()
    lanl(folder, days=20, users=30)
    order = ["lab", "load", "lanl", str(folder), "--out", str(state), "--truth", str(truth), "--json"]
    assert cli.main(order) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["queues"]["shown"]["coverage"] == 1.0
    assert figures["queues"]["shown"]["missed"] == []
    assert figures["cells"]["auc_by_bits"] > 0.5 > figures["cells"]["auc_by_events"]
    assert figures["cells"]["ap_by_bits"] > figures["cells"]["attacked"] / figures["cells"]["n"]
    assert figures["labelled"] == {"u3@dom1": 30}
    assert truth.stat().st_size
    assert cli.main(["incidents", "--state", str(state), "--json"]) in (0, 1)
    assert "C17693".lower() in capsys.readouterr().out.lower()
    assert cli.main(order) == 2, "a state that holds something is left alone"
    assert cli.main(["bench", "dataset", "lanl", str(folder)]) == 0
    assert "entity-days by bits" in capsys.readouterr().out


def test_errors_teach(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a set: cic-ids2017, .*got kdd"):
        named("kdd")
    (tmp_path / "readme.txt").write_text("nothing of the kind")
    with pytest.raises(UsageError, match=r"expected files of cert, got .*readme.txt; fetch the set: https"):
        run.dataset("cert", [tmp_path], [], as_json=True)
    assert cli.main(["bench", "dataset", str(tmp_path)]) == 2
    assert cli.main(["bench", "dataset", "cert"]) == 2
    (tmp_path / "spans.csv").write_text("host,start,end,step\n" + "a,2020-01-01,2020-01-02,x\n" * 1_001)
    with pytest.raises(UsageError, match="at most 1,000 stretches"):
        labels.spans(sources.discover([tmp_path], Limits()))


def test_average_precision() -> None:
    truth = np.array([1.0, 0, 1, 0])
    assert average_precision(np.array([4.0, 3, 2, 1]), truth) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4), truth) == pytest.approx(0.5), "equal scores tell nothing"


HOSTILE = st.sampled_from(
    ["NaN", "1e999", "-1", "\0", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "", "9" * 400, '"', "x" * 5_000, "2017-99-99"]
)


@pytest.mark.parametrize("name", EXPECTED)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hostile_cells_harm_no_other_record(name: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = made(name, tmp_path_factory.mktemp("set"))
    path = max((one for one in folder.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    lines = path.read_bytes().splitlines()
    separator = b"," if path.suffix != ".json" else b'"'
    cells = lines[-2].split(separator)
    cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(HOSTILE).encode("utf-8", "replace")
    lines[-2] = separator.join(cells)
    path.write_bytes(b"\n".join(lines) + b"\n")
    chosen = SETS[name]
    told = chosen.labels(list(sources.discover([folder], Limits())))
    for one in sources.discover([path], Limits()):
        given_input, _ = chosen.headed(one)
        source = next(source for source in chosen.readers() if source.recognise(given_input.head, given_input.origin))
        chunks = list(source.read(given_input, Limits()))
        heads = 0 if chosen.headers or path.suffix == ".json" else 1
        assert sum(chunk.events.height for chunk in chunks) >= len(lines) - heads - 2
        assert all(told.tell(chunk.events).height == chunk.events.height for chunk in chunks)


def test_unsw_header_has_all_columns() -> None:
    assert SETS["unsw-nb15"].headers[0].line.count(b",") == UNSW_WIDTH - 1
