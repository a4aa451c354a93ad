"""Principal components of rows that arrive in mini-batches, exact or from a random sketch.

The two modes are those of https://docs.aws.amazon.com/sagemaker/latest/dg/how-pca-works.html. ``regular`` sums xᵀx and
x, and decomposes the covariance. ``randomized`` sums H·X, with random signs H, over the mini-batches. AWS takes the
singular vectors of that sketch as they are. Here they are the start of a subspace iteration over the rows (N. Halko,
P. Martinsson and J. Tropp, *Finding Structure with Randomness*, 2011), which is as accurate as the regular mode.
scikit-learn's ``PCA`` needs dense rows in one array and ``IncrementalPCA`` is an approximation of the regular mode.

All sums are float64. Sums over the hosts make the result independent of how rows are divided among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from harness.recordio import Array

SumOver = Callable[[Array], Array]
"""Returns the sum of an array over all hosts."""

_MOST_PASSES = 100
_CONVERGED = 1e-11


@dataclass(frozen=True)
class Components:
    """The model: columns of ``vectors`` are components, and ``values`` their singular values.

    The largest comes last. So it is in the artifacts of AWS, and in its answers: public notebooks that were run there
    print singular values in ascending order, and reverse the columns of projections to have the largest first.

    :ivar mean: of the rows, or None if it is not subtracted.
    """

    vectors: Array
    values: Array
    mean: Array | None


def regular(batches: Iterator[Any], width: int, count: int, *, centred: bool, sum_over: SumOver) -> Components:
    """Return ``count`` components from the covariance of all rows."""
    products, sums, rows = np.zeros((width, width)), np.zeros(width), 0
    for batch in batches:
        wide = batch.astype(np.float64)
        added = wide.T @ wide
        products += added if isinstance(added, np.ndarray) else added.toarray()
        sums += _column_sums(wide)
        rows += wide.shape[0]
    products, sums, total = sum_over(products), sum_over(sums), _total(rows, sum_over)
    mean = sums / total if centred else None
    if mean is not None:
        products -= total * np.outer(mean, mean)
    values, vectors = eigh(products, subset_by_index=[width - count, width - 1], overwrite_a=True)
    return _components(values, vectors, mean)


def randomized(
    batches: Callable[[], Iterator[Any]],
    width: int,
    count: int,
    extra: int,
    *,
    centred: bool,
    sum_over: SumOver,
    generator: np.random.Generator,
) -> Components:
    """Return ``count`` components from a sketch of ``count + extra`` rows.

    :param batches: starts a pass over the mini-batches.
    :param generator: differs from host to host, as each draws the signs for its rows.
    """
    size = min(count + extra, width)
    sketch, signs, sums, rows = np.zeros((size, width)), np.zeros(size), np.zeros(width), 0
    for batch in batches():
        wide = batch.astype(np.float64)
        drawn = generator.choice((-1.0, 1.0), (size, wide.shape[0]))
        sketch += (wide.T @ drawn.T).T
        signs += drawn.sum(axis=1)
        sums += _column_sums(wide)
        rows += wide.shape[0]
    sums, total = sum_over(sums), _total(rows, sum_over)
    mean = sums / total if centred else None
    sketch, signs = sum_over(sketch), sum_over(signs)
    if mean is not None:
        sketch -= np.outer(signs, mean)
    basis = np.linalg.qr(sketch.T)[0]
    values, vectors = _refined(batches, basis, mean, total, count, sum_over)
    return _components(values, vectors, mean)


def _refined(
    batches: Callable[[], Iterator[Any]], basis: Array, mean: Array | None, rows: int, count: int, sum_over: SumOver
) -> tuple[Array, Array]:
    """Return the largest eigenvalues of the covariance and their vectors, by iteration from a basis.

    A pass over the rows multiplies the basis by the covariance. The part of a vector outside the space shrinks by the
    ratio of the first eigenvalue outside to its own: more extra components converge faster.
    """
    values = np.zeros(count)
    for _ in range(_MOST_PASSES):
        image = np.zeros_like(basis)
        for batch in batches():
            image += np.asarray(batch.T @ (batch @ basis))
        image = sum_over(image)
        if mean is not None:
            image -= rows * np.outer(mean, mean @ basis)
        previous, (values, rotation) = values, np.linalg.eigh(basis.T @ image)
        if np.all(np.abs(values[-count:] - previous[-count:]) <= _CONVERGED * values[-1]):
            break
        basis, rotation = np.linalg.qr(image @ rotation)[0], np.eye(basis.shape[1])
    return values[-count:], (basis @ rotation)[:, -count:]


def _column_sums(rows: Any) -> Array:
    return np.asarray(rows.sum(axis=0)).ravel()


def _total(rows: int, sum_over: SumOver) -> int:
    return int(sum_over(np.array([float(rows)]))[0])


def _components(values: Array, vectors: Array, mean: Array | None) -> Components:
    """Return the model in float32, with the sign that makes the largest weight of each component positive."""
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    vectors = vectors * np.where(largest < 0, -1.0, 1.0)
    return Components(
        vectors.astype(np.float32),
        np.sqrt(np.maximum(values, 0.0)).astype(np.float32),
        None if mean is None else mean.astype(np.float32),
    )
