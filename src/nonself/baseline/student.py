"""The upper tail of Student's t, in bits, as a curve: what a continued fraction gives in 700 ns a value is read off in 40.

With t = sqrt(dof) sinh v the tail P has the density q(v) = cosh(v)^-dof / B(dof/2, 1/2), so that f = -log2 P has the derivatives

    f' = g / ln 2,    f'' = g (g - dof tanh v) / ln 2,    g = q / P

and between two places at which f, f' and f'' are known it is their polynomial of fifth degree (Hermite's; de Boor 2001, "A Practical
Guide to Splines", I). Far out f is nearly a straight line in v. Within 1e-9 of the fraction where |t| is 1e-4 or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nonself.baseline.codes import Floats, blockwise
from nonself.baseline.special import log_beta, log_betainc

MANY = 8_192
"""Values of one dof for which a curve is worth being worked out: it takes as long as some hundred of them."""
DOF_MOST = 1_024
_REACH = 10
"""How far v goes; further out (11,000 times sqrt(dof)) f goes straight on."""
_LN2 = float(np.log(2.0))


@dataclass(frozen=True, slots=True)
class Curve:
    """f of one dof: the six coefficients of each piece, by powers of the place within it; so many pieces to a unit of v."""

    dof: int
    steps: int
    pieces: tuple[Floats, ...]

    def bits(self, t: Floats) -> Floats:
        """-log2 P(T >= |t|), row for row."""
        return blockwise(lambda some: self._read(t[some]), t.size)

    def _read(self, t: Floats) -> Floats:
        s = np.abs(t) * (1.0 / np.sqrt(self.dof))
        v = np.log(s + np.sqrt(s * s + 1.0)) * self.steps
        piece = np.minimum(v.astype(np.int64), self.steps * _REACH)
        v -= piece
        out = self.pieces[-1][piece]
        for coefficient in self.pieces[-2::-1]:
            out *= v
            out += coefficient[piece]
        return np.asarray(out, dtype=np.float64)


@lru_cache(maxsize=64)
def curve(dof: int) -> Curve:
    """The curve of so many degrees of freedom."""
    steps = 32 + 16 * math.isqrt(dof)  # the curve bends over 1 / sqrt(dof)
    v = np.arange(steps * _REACH + 1) / steps
    log_p = log_betainc(np.asarray(dof / 2.0), np.asarray(0.5), 1.0 / np.cosh(v) ** 2) - _LN2
    g = np.exp(-dof * np.log(np.cosh(v)) - log_beta(np.asarray(dof / 2.0), np.asarray(0.5)) - log_p)
    f, first, second = -log_p / _LN2, g / (_LN2 * steps), g * (g - dof * np.tanh(v)) / (_LN2 * steps**2)
    rise, (a, b), (c, d) = np.diff(f), (first[:-1], first[1:]), (second[:-1], second[1:])
    pieces = (
        f[:-1], a, c / 2.0,
        10.0 * rise - 6.0 * a - 4.0 * b - 1.5 * c + 0.5 * d,
        -15.0 * rise + 8.0 * a + 7.0 * b + 1.5 * c - d,
        6.0 * rise - 3.0 * a - 3.0 * b - 0.5 * c + 0.5 * d,
    )  # fmt: skip
    onward = (f[-1], first[-1], 0.0, 0.0, 0.0, 0.0)
    return Curve(dof, steps, tuple(np.append(piece, last) for piece, last in zip(pieces, onward, strict=True)))
