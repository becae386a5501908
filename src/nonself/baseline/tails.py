"""Upper tails of predictive distributions, in bits (-log2 of a probability), finite however far out.

Both tails in use are regularised incomplete beta functions I_x(a, b), so the one thing to get right is log I where I underflows.
All functions take and give numpy float64 arrays of one shape (or scalars).
"""

from __future__ import annotations

import numpy as np

from nonself.baseline.codes import Floats

_TINY = 1e-280
_LN2 = float(np.log(2.0))


def log_betainc(a: Floats, b: Floats, x: Floats) -> Floats:
    """ln I_x(a, b) for a, b > 0 and 0 <= x < 1.

    Where I_x is below 1e-280 it is x^a (1-x)^b / (a B(a,b)) * 2F1(a+b, 1; a+1; x) (DLMF 8.17.8), with the series replaced by the
    geometric one of its first ratio. That is off by less than a few bits where the result has more than 900.
    """
    from scipy import special  # here, since its import costs more than learning a small log, which does without

    a, b, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float), np.asarray(x, float))
    plain = special.betainc(a, b, x)
    safe_x = np.clip(x, 1e-300, 1.0 - 1e-16)
    ratio = np.clip(safe_x * (a + b) / (a + 1.0), 0.0, 1.0 - 1e-12)
    far = a * np.log(safe_x) + b * np.log1p(-safe_x) - np.log(a) - special.betaln(a, b) - np.log1p(-ratio)
    return np.asarray(np.where(plain > _TINY, np.log(np.maximum(plain, _TINY)), np.minimum(far, 0.0)), dtype=np.float64)


def count_bits(value: Floats, mean: Floats, variance: Floats) -> Floats:
    """-log2 P(X >= value), X negative binomial with this mean and variance (mean > 0, variance > mean), value a whole number.

    P(X >= v) = I_q(v, r) with r = mean^2 / (variance - mean) and q = mean / (r + mean); P(X >= 0) = 1.
    """
    r = mean**2 / (variance - mean)
    q = mean / (r + mean)
    bits = -log_betainc(np.maximum(value, 1.0), r, q) / _LN2
    return np.asarray(np.where(value < 1.0, 0.0, bits) + 0.0, dtype=np.float64)


def student_bits(t: Floats, dof: Floats) -> Floats:
    """-log2 P(T >= t) of Student's t: P = I_x(dof/2, 1/2) / 2 with x = dof / (dof + t^2) for t > 0, and its complement below."""
    half = log_betainc(np.asarray(dof / 2.0), np.full_like(t, 0.5), dof / (dof + t**2)) - _LN2
    upper = np.where(t > 0, half, np.log1p(-np.exp(half)))
    return np.asarray(-upper / _LN2, dtype=np.float64)
