"""Topics of documents by spectral decomposition of their second and third moments.

The method is the one that https://docs.aws.amazon.com/sagemaker/latest/dg/lda-how-it-works.html describes. It refers to
A. Anandkumar, R. Ge, D. Hsu, S. Kakade and M. Telgarsky, *Tensor Decompositions for Learning Latent Variable Models*,
2014, theorem 3.5. No array of the vocabulary's square is built unless the vocabulary is small, and none of its cube:
moments are applied to vectors, and the third one is only computed after whitening. No library does this; scikit-learn
and gensim estimate topics by variational Bayes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh

from harness.recordio import Array

_SMALL_VOCABULARY = 512
"""Vocabularies up to this size get their moment matrix in full. LAPACK is then faster than an iteration."""
_MORE = 0.25
"""Share of further topics that are computed and dropped."""
_NOISE = 0.25
"""A further direction is noise if its eigenvalue is below this share of the last required one. On planted topics, noise
reaches 0.13 (300 documents of 20,000 words), and one more topic has 0.75 or more."""
_BLOCK = 1 << 22
"""Most numbers of a temporary array, in a sum over documents or words."""


@dataclass(frozen=True)
class Moments:
    """Counts of words with the weights that make moments of them.

    :ivar pairs, triples: one divided by the number of ordered pairs and triples of words of each document, and by the
        number of documents.
    :ivar mean: share of each word.
    """

    counts: csr_matrix
    pairs: Array
    triples: Array
    mean: Array
    alpha0: float

    @classmethod
    def of(cls, counts: csr_matrix, alpha0: float) -> Moments | None:
        """Return the moments of all documents of three words or more; None if there are none."""
        counts = csr_matrix(counts, dtype=np.float64)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        used = lengths >= 3  # the third moment needs three words
        if not used.any():
            return None
        counts, lengths = counts[used], lengths[used]
        each = 1.0 / len(lengths)
        pairs = each / (lengths * (lengths - 1))
        triples = pairs / (lengths - 2)
        return cls(counts, pairs, triples, np.asarray(counts.T @ (each / lengths)), alpha0)

    @property
    def width(self) -> int:
        """Size of the vocabulary."""
        return int(self.counts.shape[1])

    def second(self, vectors: Array) -> Array:
        """Return the product of the second moment, less its part from the mean, with vectors in columns."""
        seen = self.counts @ vectors
        result = self.counts.T @ (self.pairs[:, None] * seen)
        result -= (self.counts.T @ self.pairs)[:, None] * vectors
        share = self.alpha0 / (self.alpha0 + 1.0)
        return cast("Array", result - share * np.outer(self.mean, self.mean @ vectors))

    def third(self, whitening: Array) -> Array:
        """Return the third moment, less its parts from the mean, with ``whitening`` applied to each of its sides."""
        size, alpha0 = whitening.shape[1], self.alpha0
        seen = self.counts @ whitening
        tensor = _cubes(seen, seen, self.triples[:, None] * seen)
        twice = _cubes(whitening, whitening, self.counts.T @ (self.triples[:, None] * seen))
        tensor -= _rotations(twice)
        tensor += 2.0 * _cubes(whitening, whitening, (self.counts.T @ self.triples)[:, None] * whitening)
        mean = whitening.T @ self.mean
        whitened = np.eye(size) + alpha0 / (alpha0 + 1.0) * np.outer(mean, mean)
        tensor -= alpha0 / (alpha0 + 2.0) * _rotations(np.einsum("ab,c->abc", whitened, mean))
        cube = np.einsum("a,b,c->abc", mean, mean, mean)
        return cast("Array", tensor + 2.0 * alpha0**2 / ((alpha0 + 2.0) * (alpha0 + 1.0)) * cube)


def _cubes(first: Array, second: Array, third: Array) -> Array:
    """Return the sum over rows of their outer products."""
    size = first.shape[1]
    result = np.zeros((size, size * size))
    step = max(1, _BLOCK // (size * size))
    for start in range(0, len(first), step):
        rows = slice(start, start + step)
        result += first[rows].T @ (second[rows][:, :, None] * third[rows][:, None, :]).reshape(-1, size * size)
    return result.reshape(size, size, size)


def _rotations(tensor: Array) -> Array:
    """Return the sum of a tensor, symmetric in its first two sides, with the third side at each of the places."""
    return cast("Array", tensor + tensor.transpose(0, 2, 1) + tensor.transpose(2, 0, 1))


def whitening(moments: Moments, size: int, seed: int) -> tuple[Array, Array]:
    """Return a matrix that makes the second moment the identity, and its transposed pseudoinverse.

    Both have at most ``size`` columns, one for each eigenvalue above zero.
    """
    if moments.width <= max(_SMALL_VOCABULARY, size):
        first = max(0, moments.width - size)
        matrix = moments.second(np.eye(moments.width))
        values, vectors = eigh((matrix + matrix.T) / 2, subset_by_index=[first, moments.width - 1])
    else:
        operator = LinearOperator(
            (moments.width, moments.width),
            matvec=lambda vector: moments.second(vector.reshape(-1, 1)).ravel(),
            matmat=moments.second,
            dtype=np.float64,
        )
        start = np.random.default_rng(seed).standard_normal(moments.width)
        values, vectors = eigsh(operator, k=size, which="LA", v0=start)
    kept = values > 1e-12 * values.max(initial=0.0)
    roots = np.sqrt(values[kept])
    return vectors[:, kept] / roots, vectors[:, kept] * roots


@dataclass(frozen=True)
class Decomposition:
    """A tensor as a sum of cubes of unit vectors, in columns, with their factors; and what that leaves of it."""

    factors: Array
    vectors: Array
    error: float


def decompose(
    tensor: Array,
    *,
    restarts: int,
    iterations: int,
    tolerance: float,
    seed: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Decomposition | None:
    """Return the best decomposition by alternating least squares from several starts, or None if stopped at once.

    T. Kolda and B. Bader, *Tensor Decompositions and Applications*, 2009, figure 3.3. The phase with orthogonal sides
    is that of V. Sharan and G. Valiant, *Orthogonalized ALS*, 2017.
    """
    generator = np.random.default_rng(seed)
    best: Decomposition | None = None
    for _ in range(restarts):
        if stopped():
            break
        found = _alternate(tensor, iterations, tolerance, generator)
        if best is None or found.error < best.error:
            best = found
    return best


def _alternate(tensor: Array, iterations: int, tolerance: float, generator: np.random.Generator) -> Decomposition:
    """Return the decomposition from one start: with orthogonal sides until the error settles, and then without.

    Whitened components are nearly orthogonal. Without this first phase, two columns often meet at one component and
    miss another: 1 of 20 planted topics was lost in each of ten starts.
    """
    size, norm = len(tensor), float(np.linalg.norm(tensor)) or 1.0
    flat = [np.moveaxis(tensor, side, 0).reshape(size, -1) for side in range(3)]
    sides = [generator.standard_normal((size, size))] * 3
    factors, error, orthogonal = np.ones(size), np.inf, True
    for _ in range(iterations):
        if orthogonal:
            sides = [np.linalg.qr(side)[0] for side in sides]
        for side in range(3):
            second, third = (sides[other] for other in range(3) if other != side)
            inverse = np.linalg.pinv((second.T @ second) * (third.T @ third))
            solved = flat[side] @ _pairs(second, third) @ inverse
            factors = np.linalg.norm(solved, axis=0)
            sides[side] = solved / np.where(factors > 0, factors, 1.0)
        previous = error
        error = float(np.linalg.norm(flat[2] - (sides[2] * factors) @ _pairs(sides[0], sides[1]).T)) / norm
        if abs(previous - error) <= tolerance:
            if not orthogonal:
                break
            orthogonal = False
    return Decomposition(factors, sides[2], error)


def _pairs(first: Array, second: Array) -> Array:
    """Return the outer product of each pair of columns, as a column."""
    return cast("Array", (first[:, None, :] * second[None, :, :]).reshape(-1, first.shape[1]))


@dataclass(frozen=True)
class Topics:
    """The model: ``alpha``, the prior weight of each topic, and ``beta``, the share of each word in it."""

    alpha: Array
    beta: Array


def directions(moments: Moments, topics: int, seed: int) -> tuple[Array, Array]:
    """Return the whitening for a number of topics, and for a quarter more of them.

    AWS computes 25 % more topics and keeps those with the largest prior. An additional direction whose eigenvalue is
    far below the last required one is the noise of a finite number of documents: whitening would magnify it until it
    hides the topics. It is therefore not used.
    """
    size = min(topics + math.ceil(_MORE * topics), moments.width)
    whitener, inverse = whitening(moments, size, seed)
    values = np.sum(inverse * inverse, axis=0)
    order = np.argsort(-values)
    kept = [
        place for rank, place in enumerate(order) if rank < topics or values[place] > _NOISE * values[order[topics - 1]]
    ]
    return whitener[:, kept], inverse[:, kept]


def recover(found: Decomposition, inverse: Array, topics: int, alpha0: float) -> Topics:
    """Return the topics of a decomposition, those with the largest prior first."""
    alpha = 4.0 * alpha0 * (alpha0 + 1.0) / ((alpha0 + 2.0) ** 2 * np.maximum(found.factors, 1e-12) ** 2)
    beta = (inverse @ found.vectors).T
    beta = np.maximum(beta * np.where(beta.sum(axis=1) < 0, -1.0, 1.0)[:, None], 0.0)
    beta /= np.maximum(beta.sum(axis=1), 1e-300)[:, None]
    kept = np.argsort(-alpha, kind="stable")[:topics]
    return Topics(alpha[kept] * (alpha0 / alpha[kept].sum()), beta[kept])
