"""Special functions agree with scipy's wherever that has an answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special as reference

from nonself.baseline.special import digamma, log_beta, log_betainc, log_gamma


def _upto(most):
    return st.floats(-3, most).map(lambda power: 10.0**power)


@settings(max_examples=200, deadline=None)
@given(_upto(8))
def test_gamma_and_its_derivative(x):
    assert log_gamma(x) == pytest.approx(reference.gammaln(x), rel=1e-12, abs=1e-12)
    assert digamma(x) == pytest.approx(reference.digamma(x), rel=1e-12, abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(_upto(4), _upto(2), st.floats(1e-9, 1.0, exclude_max=True))
def test_incomplete_beta(a, b, x):
    expected = reference.betainc(a, b, x)
    got = float(log_betainc(a, b, x))
    assert got <= 0
    if expected > 1e-250:
        assert got == pytest.approx(np.log(expected), rel=1e-9, abs=1e-9)
    else:
        assert got < -570


def test_beta_of_whole_numbers_is_a_binomial():
    assert np.exp(-log_beta(4.0, 3.0)) == pytest.approx(60)


def test_what_underflows_elsewhere_is_exact_here():
    # I_x(a, 1) = x^a
    assert float(log_betainc(5_000.0, 1.0, 0.5)) == pytest.approx(5_000 * np.log(0.5), rel=1e-13)


def test_rows_that_converge_late_do_not_hold_back_others():
    a, b, x = np.array([3.0, 2_000.0]), np.array([2.0, 90.0]), np.array([0.001, 0.95])
    together = log_betainc(a, b, x)
    apart = [float(log_betainc(*each)) for each in zip(a, b, x, strict=True)]
    assert together.tolist() == pytest.approx(apart, rel=1e-13)
