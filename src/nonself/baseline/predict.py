"""Predictive distributions of the next window's amount, from y's own history and its peers', and how far out a value lies.

Both are empirical Bayes: a prior is fitted by moments to the *other* y (each counted once, on a log scale, so that one monster does not
set the scale for all), y's own windows update it, and the predictive's upper tail is the score. Hyperpriors are worth one pseudo-peer or
one pseudo-window, just enough to be proper; without any history and any peer, P = 1.

Counts, Gamma-Poisson (Gelman et al., "Bayesian Data Analysis", 2.6) with bursts allowed for:
    rate of a y       lambda ~ Gamma(alpha, beta); alpha, beta from mean and variance of ln(rate) over the peers:
                      Var ln(rate) = psi1(alpha) ~ 1/alpha + 1/(2 alpha^2),  E ln(rate) = psi(alpha) - ln(beta)
    a window          mean lambda, variance lambda + k lambda^2: k is the burstiness of y's windows, shrunk to the peers'
    posterior         Gamma(a, b), a = alpha + s/phi, b = beta + n/phi: bursty windows are weaker evidence by phi = 1 + k lambda
                      (quasi-likelihood, McCullagh & Nelder 1989, ch. 9)
    predictive        negative binomial with mean m = f a/b and variance m + k m^2 + (1 + k) f m/b; for k = 0 and f = 1 it is
                      exactly the textbook one, NB(a, b/(b+1)); f is the window's season (`baseline.season`)

Sums, and counts held against peers alone, on u = ln(1 + amount / grain), Normal-inverse-chi-squared (Gelman et al., 3.3):
    prior             mean ~ N(mu0, sigma0^2/k0), mu0 and sigma0^2/k0 = variance of the peers' means, sigma0^2 their pooled variance,
                      with `DOF` = 4 degrees of freedom: variances of single y differ from the pooled one by a factor of about two
    predictive        Student's t (one-sided, upper) with DOF + n degrees of freedom; under the peers alone with DOF + their number,
                      which is what their spread is known from
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nonself.baseline.codes import Floats
from nonself.baseline.special import digamma
from nonself.baseline.tails import count_bits, student_bits

DECADE = float(np.log(10.0)) ** 2
"""Variance of one pseudo-peer's level: before anything is known, y differ by about a factor of ten."""
BURST_WINDOWS = 8.0
"""Windows that y needs for its own burstiness to weigh as much as its peers': a variance from n windows is off by sqrt(2/n), here half."""
DOF = 4.0
FLOOR = 0.1**2
"""Least variance of a log sum, and least burstiness of counts: a tenth more or less is no news, however regular y has been."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """bits: surprise given y's history and peers; bits_peers: given the peers alone; peers: how many; usual: mean of their log levels."""

    bits: Floats
    bits_peers: Floats
    peers: Floats
    usual: Floats


@dataclass(frozen=True, slots=True)
class Moments:
    """Whole-population sums over y with each y's own taken out: what the peers of each row say. All arrays are row for row."""

    g: Floats  # number of peers
    mean: Floats  # mean of their levels (logs)
    var: Floats  # variance of a new peer's level: spread of the peers, pseudo-peer included, and doubt about the mean
    top: Floats  # numerator of the peers' pooled within-variance (or burstiness)
    bottom: Floats  # its weight


def moments(level: Floats, top: Floats, bottom: Floats, index: Floats) -> Moments:
    """Peers of each row: `level`, `top`, `bottom` hold one value per y of the population; `index` each row's y, -1 if it is unknown."""
    own = index >= 0
    at = np.where(own, index, 0).astype(np.int64)

    def others(values: Floats) -> Floats:
        mine = values[at] if values.size else np.zeros_like(index)
        return np.asarray(values.sum() - np.where(own, mine, 0.0), dtype=np.float64)

    centre = float(level.mean()) if level.size else 0.0
    g = others(np.ones_like(level))
    some = np.maximum(g, 1.0)
    shift = others(level - centre) / some
    spread = np.maximum(others((level - centre) ** 2) - g * shift**2, 0.0)
    var = (spread + DECADE) / some * (1.0 + 1.0 / some)
    return Moments(g, centre + shift, var, others(top), others(bottom))


Population = tuple[Floats, Floats, Floats]
"""n, s and ss of every y."""


def nobody(index: Floats) -> tuple[Floats, Population]:
    """`index` and `population` of rows that have no peers to be held against."""
    return np.full_like(index, -1.0), (np.empty(0), np.empty(0), np.empty(0))


def _burst_sums(n: Floats, s: Floats, ss: Floats) -> tuple[Floats, Floats]:
    """Weighted excess variance over Poisson's, and weighted squared rate: k = top / bottom. The weight 1/(1 + rate)^2 evens out y."""
    rate = s / np.maximum(n, 1.0)
    degrees = np.maximum(n - 1.0, 0.0)
    excess = np.maximum(ss - n * rate**2, 0.0) - degrees * rate
    weight = 1.0 / (1.0 + rate) ** 2
    return np.where(degrees > 0, excess * weight, 0.0), degrees * rate**2 * weight


def counts(
    value: Floats,
    n: Floats,
    s: Floats,
    ss: Floats,
    index: Floats,
    population: Population,
    season: tuple[Floats, Floats] | None = None,
) -> Predicted:
    """Surprise of counts. Rows: `value`, and y's own n, s, ss apart from it; `population` holds n, s, ss of every y. `season`: factors
    of each row's window on the mean, y's own and its peers' (`baseline.season`)."""
    all_n, all_s, all_ss = population
    level = np.log(np.maximum(all_s, 0.5) / np.maximum(all_n, 1.0))
    peers = moments(level, *_burst_sums(all_n, all_s, all_ss), index)
    k_peers = np.maximum((peers.top + 1.0) / (peers.bottom + 1.0), FLOOR)
    top, bottom = _burst_sums(n, s, ss)
    k = np.maximum((top + BURST_WINDOWS * k_peers) / (bottom + BURST_WINDOWS), FLOOR)
    zero = np.zeros_like(value)
    factor, factor_peers = season or (np.ones_like(value), np.ones_like(value))
    bits = _count_tail(value, n, s, k, peers, factor)
    bits_peers = _count_tail(value, zero, zero, k_peers, peers, factor_peers)
    return Predicted(bits, bits_peers, peers.g, peers.mean)


def _count_tail(value: Floats, n: Floats, s: Floats, k: Floats, peers: Moments, factor: Floats) -> Floats:
    lone = peers.g < 1.0
    alpha = (1.0 + np.sqrt(1.0 + 2.0 * peers.var)) / (2.0 * peers.var)
    beta = np.exp(digamma(alpha) - peers.mean)
    alpha, beta = np.where(lone, 0.5, alpha), np.where(lone, 0.0, beta)
    empty = lone & (n < 1.0)
    rate = (alpha + s) / np.where(empty, 1.0, beta + n)
    phi = 1.0 + k * rate
    a, b = alpha + s / phi, np.where(empty, 1.0, beta + n / phi)
    mean = factor * a / b
    bits = count_bits(value, mean, mean + k * mean**2 + (1.0 + k) * factor * mean / b)
    return np.where(empty, 0.0, bits)


def sums(value: Floats, n: Floats, s: Floats, ss: Floats, index: Floats, population: Population, *, alone: bool = False) -> Predicted:
    """Surprise of log sums (natural logs). Rows: `value`, and y's own n, s, ss apart from it; `population` holds n, s, ss of every y.
    `alone`: the peers' answer alone is asked for, and stands for both."""
    all_n, all_s, all_ss = population
    level = all_s / np.maximum(all_n, 1.0)
    within = np.maximum(all_ss - all_n * level**2, 0.0)
    peers = moments(level, within, np.maximum(all_n - 1.0, 0.0), index)
    zero = np.zeros_like(value)
    bits_peers = _sum_tail(value, zero, zero, zero, peers, DOF + peers.g)
    bits = bits_peers if alone else _sum_tail(value, n, s, ss, peers, DOF + n)
    return Predicted(bits, bits_peers, peers.g, peers.mean)


def _sum_tail(value: Floats, n: Floats, s: Floats, ss: Floats, peers: Moments, dof: Floats) -> Floats:
    lone = peers.g < 1.0
    own_mean = s / np.maximum(n, 1.0)
    sigma2 = np.maximum((peers.top + 1.0) / (peers.bottom + 1.0), FLOOR)
    mu0, k0 = np.where(lone, own_mean, peers.mean), np.where(lone, 0.0, sigma2 / peers.var)
    empty = lone & (n < 1.0)
    k = np.where(empty, 1.0, k0 + n)
    mean = (k0 * mu0 + n * own_mean) / k
    own = np.maximum(ss - n * own_mean**2, 0.0) + k0 * n / k * (own_mean - mu0) ** 2
    scale2 = np.maximum((DOF * sigma2 + own) / (DOF + n), FLOOR) * (1.0 + 1.0 / k)
    bits = student_bits((value - mean) / np.sqrt(scale2), dof)
    return np.where(empty, 0.0, bits)
