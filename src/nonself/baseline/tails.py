"""Upper tails of predictive distributions, in bits (-log2 of a probability), finite however far out.

The first two are regularised incomplete beta functions I_x(a, b), taken in logarithms.
All functions take and give numpy float64 arrays of one shape (or scalars).
"""

from __future__ import annotations

import numpy as np

from nonself.baseline import student
from nonself.baseline.codes import Floats, Ints
from nonself.baseline.special import log_betainc, log_gamma

_LN2 = float(np.log(2.0))


def count_bits(value: Floats, mean: Floats, variance: Floats) -> Floats:
    """-log2 P(X >= value), X negative binomial with this mean and variance (mean > 0, variance > mean), value a whole number.

    P(X >= v) = I_q(v, r) with r = mean^2 / (variance - mean) and q = mean / (r + mean); P(X >= 0) = 1.
    """
    r = mean**2 / (variance - mean)
    q = mean / (r + mean)
    bits = -log_betainc(np.maximum(value, 1.0), r, q) / _LN2
    return np.asarray(np.where(value < 1.0, 0.0, bits) + 0.0, dtype=np.float64)


def student_bits(t: Floats, dof: Floats | float, *, size: int = 0) -> Floats:
    """-log2 P(T >= t) of Student's t: P = I_x(dof/2, 1/2) / 2 with x = dof / (dof + t^2) for t > 0, and its complement below. Many with
    the same whole dof are read off its curve (`baseline.student`), within 1e-11 of that; `size`: how many there are, if these are some."""
    t, dof = np.broadcast_arrays(np.asarray(t, dtype=np.float64), np.asarray(dof, dtype=np.float64))
    upper = np.empty(t.shape)
    left = np.ones(t.shape, np.bool_)
    for whole in _frequent(dof, size):
        some = dof == whole
        upper[some], left[some] = student.curve(whole).bits(t[some]), False
    if left.any():
        far, of = np.abs(t[left]), dof[left]
        upper[left] = (_LN2 - log_betainc(of / 2.0, np.asarray(0.5), of / (of + far**2))) / _LN2
    return _one_sided(t, upper)


def _frequent(dof: Floats, size: int) -> list[int]:
    """Degrees of freedom, whole numbers, that many rows have: any, of `size` rows that all have the same."""
    if max(dof.size, size) < student.MANY or not dof.size or dof.max() > student.DOF_MOST or (dof != np.floor(dof)).any():
        return []
    if size >= student.MANY:
        return [int(dof.flat[0])]
    return np.flatnonzero(np.bincount(dof.ravel().astype(np.int64)) >= student.MANY).tolist()


def _one_sided(t: Floats, bits: Floats) -> Floats:
    """The bits of P(T >= |t|) as those of P(T >= t), of which it is the complement for t <= 0."""
    below = t <= 0
    bits[below] = -np.log1p(-np.exp2(-bits[below])) / _LN2
    return bits


def student4_bits(t: Floats) -> Floats:
    """-log2 P(T >= t) of Student's t with four degrees of freedom: P = (1 - s)^2 (2 + s) / 4, s = t / sqrt(4 + t^2), with
    1 - s = 4 / (r (r + t)), r = sqrt(4 + t^2), so that nothing cancels however far out."""
    far = np.abs(t)
    r = np.sqrt(4.0 + far**2)
    return _one_sided(t, 2.0 - 2.0 * np.log2(4.0 / (r * (r + far))) - np.log2(2.0 + far / r))


def sum_bits(total: Floats, tests: Ints) -> Floats:
    """What independent surprises of `total` bits in all, from so many tests (at least 1), are worth as one (Fisher 1932).

    -log2 P(sum >= total), the sum of n surprises being Gamma(n): P = exp(-L) * sum_{i<n} L^i / i!, L = total ln 2.
    """
    rate = np.maximum(np.asarray(total, dtype=np.float64), 0.0) * _LN2
    order = np.argsort(tests)
    log_rate, tests = np.log(np.maximum(rate[order], 1e-300)), tests[order]
    terms = np.zeros_like(rate)
    for i in range(1, int(tests.max(initial=1))):
        here = slice(int(np.searchsorted(tests, i, "right")), None)  # those with a term i
        terms[here] = np.logaddexp(terms[here], i * log_rate[here] - log_gamma(np.asarray(i + 1.0)))
    spent = np.empty_like(rate)
    spent[order] = terms
    return np.asarray(np.maximum(rate - spent, 0.0) / _LN2, dtype=np.float64)


def doubted(bits: Floats, votes: Ints) -> Floats:
    """-log2(w + (1 - w) 2^-bits), w = votes / (votes + 1): evidence, given how many witnesses say that this is how things are here
    (Beta-Bernoulli with one doubt). Between 0 and `bits`."""
    v = votes.astype(np.float64)
    with np.errstate(divide="ignore"):
        out = np.log2(v + 1.0) - np.logaddexp2(np.log2(v), -bits)
    return np.asarray(np.where(bits >= 0.0, np.abs(out), out), dtype=np.float64)  # rounding must not turn no evidence into evidence against
