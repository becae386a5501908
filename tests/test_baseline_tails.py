"""Tails agree with scipy where it has an answer, and stay finite and ordered where it has none."""

import numpy as np
import pytest
from scipy import stats

from nonself.baseline import student
from nonself.baseline.predict import counts, sums
from nonself.baseline.tails import count_bits, student4_bits, student_bits


def _array(*values):
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("value", "mean", "variance"), [(1, 0.3, 0.4), (5, 1.0, 2.0), (200, 1.0, 5.0), (1000, 900.0, 1000.0), (40, 3.0, 90.0)]
)
def test_count_tail_is_the_negative_binomials(value, mean, variance):
    r = mean**2 / (variance - mean)
    expected = -stats.nbinom.logsf(value - 1, r, r / (r + mean)) / np.log(2)
    assert count_bits(_array(value), _array(mean), _array(variance))[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("t", "dof"), [(-5.0, 4.0), (0.0, 3.0), (6.0, 4.0), (30.0, 30.0), (1e5, 3.0)])
def test_student_tail_is_students(t, dof):
    assert student_bits(_array(t), _array(dof))[0] == pytest.approx(-stats.t.logsf(t, dof) / np.log(2), rel=1e-9)


@pytest.mark.parametrize("dof", [1, 4, 30, 300])
def test_many_of_one_dof_are_read_off_a_curve(dof):
    """Towards the fraction's own error: what is asked there is 1 - x, near 0."""
    rng = np.random.default_rng(dof)
    t = np.concatenate([rng.standard_t(3, student.MANY), 10.0 ** rng.uniform(-3, 6, 1_000), _array(0.0)])
    got = student_bits(t, float(dof))
    near = np.flatnonzero(t < 20.0)[::50]
    assert got[near] == pytest.approx(-stats.t.logsf(t[near], dof) / np.log(2), rel=1e-8)
    few = np.concatenate([student_bits(part, float(dof)) for part in np.array_split(t, 4)])
    assert got == pytest.approx(few, rel=2e-9)
    assert (np.diff(got[np.argsort(t)]) >= -1e-9).all()


def test_rows_of_many_degrees_of_freedom():
    rng = np.random.default_rng(1)
    t, dof = rng.normal(0.0, 3.0, 3 * student.MANY), np.repeat([4.0, 4.5, 7.0], student.MANY)
    parts = [student_bits(t[i : i + student.MANY // 2], dof[i : i + student.MANY // 2]) for i in range(0, t.size, student.MANY // 2)]
    assert student_bits(t, dof) == pytest.approx(np.concatenate(parts), rel=1e-9)
    assert student_bits(t[: student.MANY], 4.0) == pytest.approx(student4_bits(t[: student.MANY]), rel=1e-9)


def test_tails_stay_finite_and_ordered_far_out():
    far = _array(1e3, 1e5, 1e7, 1e9, 2.0**46)
    bits = count_bits(far, np.full(5, 0.01), np.full(5, 0.0101))
    assert np.isfinite(bits).all() and (np.diff(bits) > 0).all()
    bits = student_bits(_array(50, 1e3, 1e5, 1e9), np.full(4, 2000.0))
    assert np.isfinite(bits).all() and (np.diff(bits) > 0).all()


def test_the_two_branches_meet():
    values = np.arange(100.0, 1500.0)
    bits = count_bits(values, np.full(values.size, 1.0), np.full(values.size, 3.0))
    steps = np.diff(bits)
    assert (steps > 0).all() and steps.max() < 1.2 * steps.min()


def _population(rates, n=200):
    rng = np.random.default_rng(1)
    windows = [rng.poisson(rate, n) for rate in rates]
    return tuple(_array(*(float(f(w)) for w in windows)) for f in (len, np.sum, lambda w: np.sum(w.astype(float) ** 2)))


def test_without_history_and_peers_nothing_is_surprising():
    none, nobody = _array(0), (_array(), _array(), _array())
    for model in (counts, sums):
        out = model(_array(1e6), none, none, none, _array(-1), nobody)
        assert out.bits[0] == 0 and out.bits_peers[0] == 0


def test_a_burst_is_odder_for_the_quiet_than_for_the_busy():
    population = _population([0.5, 1, 2, 4, 8, 16, 32, 64])
    n, s, ss = population
    out = counts(np.full(8, 60.0), n, s, ss, np.arange(8.0), population)
    assert (np.diff(out.bits) < 0).all() and out.bits[-1] < 2 < 20 < out.bits[0]


def test_an_unknown_y_is_judged_by_its_peers():
    population = _population([0.5, 1, 2, 4, 8, 16, 32, 64])
    zero = _array(0)
    usual, huge = (counts(_array(v), zero, zero, zero, _array(-1), population) for v in (5.0, 5000.0))
    assert usual.bits[0] == usual.bits_peers[0] < 2 < 8 < huge.bits[0]


def test_surprise_grows_with_evidence():
    population = _population([0.5, 1, 2, 4])
    bits = [
        counts(_array(20.0), _array(n), _array(n), _array(2.0 * n), _array(-1), population).bits[0] for n in (0.0, 1.0, 10.0, 100.0, 1000.0)
    ]
    assert bits == sorted(bits) and bits[0] < bits[-1] / 2


def test_bursty_histories_forgive_bursts():
    population = _population([1, 1, 1, 1])
    n, s = _array(100.0), _array(100.0)
    steady, bursty = (counts(_array(30.0), n, s, _array(ss), _array(-1), population).bits[0] for ss in (200.0, 5000.0))
    assert bursty < steady / 2


def test_a_regular_sum_leaves_a_tenth_of_play():
    n, level = _array(50.0), np.log1p(1000.0)
    out = sums(_array(level + 0.05), n, n * level, n * level**2, _array(-1), (_array(50.0), _array(50 * level), _array(50 * level**2)))
    assert out.bits[0] < 3


def test_four_degrees_of_freedom_have_a_closed_form():
    t = _array(-1e6, -3.0, -0.5, 0.0, 0.5, 3.0, 40.0, 1e6, 1e12)
    assert student4_bits(t) == pytest.approx(student_bits(t, np.full(t.size, 4.0)), rel=1e-9, abs=1e-15)
