"""Mixture of topics of a document: the one that makes its words most likely.

AWS finds it by stochastic gradient descent (https://docs.aws.amazon.com/sagemaker/latest/dg/lda-how-it-works.html). The
likelihood is concave in the mixture, so that expectation maximisation has the same result, without a step size. SQUAREM
makes it some twenty times faster: R. Varadhan and C. Roland, *Simple and Globally Convergent Methods for Accelerating
the Convergence of Any EM Algorithm*, 2008, scheme S3.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from harness.recordio import Array

_MOST_CYCLES = 1000
_CONVERGED = 1e-6
_KEPT = 0.1
"""Share of a topic that a long step keeps: a share of zero would stay zero."""
_LONGEST = 1e4
"""Upper bound of the length of a step, whose square is a 32-bit float."""
_LEAST = 1e-30
"""Lower bound of a divisor. A word that no topic has changes no mixture."""
_UNSEEN = 1e-12
"""Probability of a word that no topic of the document has, in a likelihood: its logarithm must be finite."""


def infer(counts: Any, alpha: Array, beta: Array) -> Array:
    """Return the mixture of each document in float32. One without words of any topic has the prior's mixture.

    :param counts: shape (documents, words), dense or sparse.
    :param beta: shape (topics, words).
    """
    prior = alpha / alpha.sum()
    mixtures = np.tile(prior, (counts.shape[0], 1)).astype(np.float32)
    used = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel() * beta.sum(axis=0) > 0)
    counts, beta = counts[:, used].astype(np.float32), beta.take(used, axis=1).astype(np.float32)
    open_rows = np.flatnonzero(np.asarray(counts.sum(axis=1)).ravel() > 0)
    mixtures[open_rows] = 1.0 / len(alpha)
    counts = counts[open_rows]
    for _ in range(_MOST_CYCLES):
        if not len(open_rows):
            break
        start = mixtures[open_rows]
        first = _step(counts, start, beta)
        second = _step(counts, first, beta)
        moving = np.abs(second - first).max(axis=1) > _CONVERGED
        mixtures[open_rows] = np.where(moving[:, None], _extrapolated(start, first, second), second)
        if not moving.all():
            open_rows, counts = open_rows[moving], counts[moving]
    return mixtures


def _step(counts: Any, mixtures: Array, beta: Array) -> Array:
    """Return the mixtures after one iteration of expectation maximisation."""
    updated = mixtures * _ratios(counts, mixtures, beta)
    return cast("Array", updated / np.maximum(updated.sum(axis=1, keepdims=True), _LEAST))


def _extrapolated(start: Array, first: Array, second: Array) -> Array:
    """Return where two iterations lead, with a step for each document."""
    change = first - start
    bend = second - first - change
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in (change, bend)]
    step = np.clip(lengths[0] / np.maximum(lengths[1], _LEAST), 1.0, _LONGEST)
    found = np.maximum(start + 2.0 * step * change + step**2 * bend, _KEPT * second)
    return cast("Array", found / np.maximum(found.sum(axis=1, keepdims=True), _LEAST))


def _ratios(counts: Any, mixtures: Array, beta: Array) -> Array:
    """Return the product of each document's counts, divided by their probabilities, with the topics."""
    if isinstance(counts, np.ndarray):
        ratios = mixtures @ beta
        np.maximum(ratios, _LEAST, out=ratios)
        np.divide(counts, ratios, out=ratios)  # in place: with new memory for each, it takes 1.6 times as long
        return cast("Array", ratios @ beta.T)
    ratios = counts.data / np.maximum(_probabilities(counts, mixtures, beta), _LEAST)
    divided = type(counts)((ratios, counts.indices, counts.indptr), counts.shape)
    return np.asarray(divided @ beta.T)


def _probabilities(counts: Any, mixtures: Array, beta: Array) -> Array:
    """Return the probability of each stored word of sparse documents."""
    lengths = np.diff(counts.indptr)
    result = np.zeros(len(counts.indices), np.result_type(mixtures, beta))
    for shares, words in zip(mixtures.T, beta, strict=True):  # all topics at once would need that array for each
        result += np.repeat(shares, lengths) * words.take(counts.indices)
    return result


def per_word_likelihood(counts: Any, mixtures: Array, beta: Array) -> float:
    """Return the mean logarithm of the probability of a word."""
    beta = beta.astype(np.float64)
    if isinstance(counts, np.ndarray):
        logarithms = np.log(np.maximum(mixtures @ beta, _UNSEEN))
        return float((counts * logarithms).sum() / counts.sum(dtype=np.float64))
    logarithms = np.log(np.maximum(_probabilities(counts, mixtures, beta), _UNSEEN))
    return float(counts.data @ logarithms / counts.data.sum(dtype=np.float64))
