"""The entity benchmark: what it costs to score vectors of 68 features, many at once and one alone, and what memory onnxruntime needs.

Vectors are made up (log-normal numbers, a third of them 0), since cost does not hang on what they say. The forest as ONNX, run by itself,
is the control: what of the model's time is not its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from nonself.core.errors import UsageError
from nonself.detect import forest_onnx
from nonself.detect.vector_model import VectorModel

FEATURES, TRAINED, SCORED, ALONE = 68, 20_000, 20_000, 1_000
_REPEAT = 7
_ONLY_ONNX = """
import sys
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
rows = np.zeros((2_048, int(sys.argv[2])), np.float32)
session.run(None, {session.get_inputs()[0].name: rows})
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss would be our parent's
print(peak / 1e3)
"""


def entity(*, as_json: bool) -> int:
    """Measure and print. Raises UsageError where onnxruntime is not installed, since figures without it would be others."""
    found = measure()
    print(json.dumps(found, indent=2) if as_json else _text(found))
    return 0


def measure() -> dict[str, Any]:
    """CPU time in us a row, medians of seven rounds, and the peak RSS in MB of a process with numpy and onnxruntime alone."""
    rng = np.random.default_rng(0)
    rows = np.exp(rng.normal(size=(TRAINED + SCORED, FEATURES))) * (rng.random((TRAINED + SCORED, FEATURES)) < 2 / 3)
    clock = time.process_time()
    model = VectorModel.fit(rows[:TRAINED])
    fitted = time.process_time() - clock
    onnx = forest_onnx.model(model.forest, FEATURES)
    session = forest_onnx.session(onnx)
    if session is None:
        raise UsageError(expected="onnxruntime", got="none", where="pip install 'nonself[models]'")

    def forest(part: Any) -> object:
        return session.run([forest_onnx.OUTPUT], {forest_onnx.INPUT: part})

    scored = rows[TRAINED:]
    plain = scored.astype(np.float32)
    return {
        "track": "entity", "features": FEATURES, "trained_on": TRAINED, "fit_us_per_row": round(1e6 * fitted / TRAINED, 1),
        "score_us_per_row": _cost(model.score, scored), "score_us_single": _alone(model.score, scored),
        "onnx_us_per_row": _cost(forest, plain), "onnx_us_single": _alone(forest, plain),
        "onnx_kb": round(len(onnx) / 1e3, 1), "onnx_peak_rss_mb": _memory(onnx),
    }  # fmt: skip


def _cost(score: Callable[[Any], object], rows: npt.NDArray[Any]) -> float:
    return round(median(_spent(score, [rows]) for _ in range(_REPEAT)) / len(rows), 2)


def _alone(score: Callable[[Any], object], rows: npt.NDArray[Any]) -> float:
    singles = [rows[at : at + 1] for at in range(ALONE)]
    return round(median(_spent(score, singles) for _ in range(_REPEAT)) / ALONE, 1)


def _spent(score: Callable[[Any], object], batches: list[npt.NDArray[Any]]) -> float:
    score(batches[0])
    clock = time.process_time()
    for batch in batches:
        score(batch)
    return 1e6 * (time.process_time() - clock)


def _memory(onnx: bytes) -> float:
    with tempfile.TemporaryDirectory(prefix="nonself-bench-") as folder:
        path = Path(folder) / "forest.onnx"
        path.write_bytes(onnx)
        done = subprocess.run([sys.executable, "-c", _ONLY_ONNX, str(path), str(FEATURES)], capture_output=True, text=True, check=True)
    return round(float(done.stdout), 1)


def _text(found: dict[str, Any]) -> str:
    return (
        f"{found['features']} features, fitted on {found['trained_on']:,} rows in {found['fit_us_per_row']} us/row\n"
        f"the model: {found['score_us_per_row']} us/row in batches, {found['score_us_single']} us for one alone\n"
        f"its forest as ONNX ({found['onnx_kb']} KB): {found['onnx_us_per_row']} us/row, {found['onnx_us_single']} us alone; "
        f"{found['onnx_peak_rss_mb']} MB with onnxruntime alone"
    )
