"""k-means over mini-batches with more centres than clusters, and the reduction of those centres.

The three steps are those of https://docs.aws.amazon.com/sagemaker/latest/dg/algo-kmeans-tech-notes.html: K centres, a
multiple of k, from the first batch; a pass over all mini-batches for each epoch (D. Sculley, *Web-Scale K-Means
Clustering*, 2010); and Lloyd's method over the K centres.

scikit-learn's ``MiniBatchKMeans`` has neither extra centres nor a half-life. Its ``KMeans`` stops on the movement of
centres, not on the loss as documented, and importing it takes over a second.

Centres and their sums are float64. Distances that only select a centre are float32, as the rows are, unless two of
them are as good within the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from harness.recordio import Array

Method = Literal["random", "kmeans++"]

_DOUBT = 16 * float(np.finfo(np.float32).eps)
"""Error of a float32 score, in proportion to the numbers that it is a difference of."""
_BLOCK = 1 << 20
"""Most values of sparse rows that are computed with at a time, unless one row has more."""


def closest(rows: Any, centres: Array) -> Array:
    """Return the index of the closest centre of each row, dense or sparse.

    The mean of the centres is subtracted from them: far from zero, their squared lengths have no digits left for
    distances. Rows whose two closest centres differ by less than the error are computed again in float64.
    """
    centres = centres.astype(np.float64)
    shift = centres.mean(axis=0)
    near = centres - shift
    added = _squared_lengths(near) + 2.0 * near @ shift
    scores = rows @ (-2.0 * near.T).astype(np.float32) + added.astype(np.float32)
    selected = scores.argmin(axis=1)
    least = np.take_along_axis(scores, selected[:, None], axis=1)
    largest = np.sqrt(_squared_lengths(near).max())
    doubt = _DOUBT * largest * (np.sqrt(_squared_lengths(rows)) + largest + np.linalg.norm(shift))
    doubtful = np.flatnonzero((scores <= least + doubt[:, None].astype(np.float32)).sum(axis=1) != 1)
    if len(doubtful):
        selected[doubtful] = (rows[doubtful].astype(np.float64) @ (-2.0 * near.T) + added).argmin(axis=1)
    return cast("Array", selected)


def squared_distances(rows: Any, centres: Array, selected: Array) -> Array:
    """Return the squared distance of each row to its selected centre, in float64 sums."""
    if isinstance(rows, np.ndarray):
        difference = rows - centres[selected].astype(rows.dtype)
        return cast("Array", np.einsum("nd,nd->n", difference, difference, dtype=np.float64))
    found = _squared_lengths(centres)[selected]
    for part in _blocks(rows):
        block = rows[part]
        owners = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        values, of_centres = block.data.astype(np.float64), centres[selected[part][owners], block.indices]
        found[part] += np.bincount(owners, values * (values - 2.0 * of_centres), minlength=block.shape[0])
    return cast("Array", np.maximum(found, 0.0))


def _blocks(rows: Any) -> Iterator[slice]:
    """Yield slices of sparse rows with a limited number of values."""
    start = 0
    while start < rows.shape[0]:
        end = int(np.searchsorted(rows.indptr, rows.indptr[start] + _BLOCK, side="right")) - 1
        end = min(max(end, start + 1), rows.shape[0])
        yield slice(start, end)
        start = end


def _squared_lengths(rows: Any) -> Array:
    if isinstance(rows, np.ndarray):
        return cast("Array", np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    return np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float64).ravel()


def initial_centres(
    rows: Any, count: int, method: Method, generator: np.random.Generator, weights: Array | None = None
) -> Array:
    """Return ``count`` of the rows as centres, without repetition if there are as many different ones."""
    if method == "random":
        shares = None if weights is None else weights / weights.sum()
        selected = generator.choice(rows.shape[0], count, replace=False, p=shares)
    else:
        selected = _plus_plus(rows, count, generator, weights)
    picked = rows[selected]
    return np.asarray(picked if isinstance(picked, np.ndarray) else picked.toarray(), dtype=np.float64)


def _plus_plus(rows: Any, count: int, generator: np.random.Generator, weights: Array | None) -> Array:
    """Return indices that k-means++ selects: each with a probability in proportion to its squared distance.

    D. Arthur and S. Vassilvitskii, *k-means++: The Advantages of Careful Seeding*, 2007.
    """
    total, rows = rows.shape[0], rows.astype(np.float64)
    weights = np.ones(total) if weights is None else weights
    lengths = _squared_lengths(rows)
    distances, free = np.full(total, np.inf), np.ones(total, dtype=bool)
    selected = [int(generator.choice(total, p=weights / weights.sum()))]
    while len(selected) < count:
        last = rows[selected[-1]]
        last = last if isinstance(last, np.ndarray) else last.toarray().ravel()
        found = lengths - 2.0 * rows @ last + lengths[selected[-1]]
        distances = np.minimum(distances, np.maximum(found, 0.0))
        free[selected[-1]] = False
        chances = distances * weights * free
        chances = chances if chances.sum() > 0 else weights * free  # the remaining rows equal a centre
        chances = chances if chances.sum() > 0 else free.astype(float)
        selected.append(int(generator.choice(total, p=chances / chances.sum())))
    return np.array(selected)


def sums(rows: Any, selected: Array, count: int) -> Array:
    """Return, for each of ``count`` centres, the sum of its rows and then their number: shape (count, d + 1)."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 (serving does without)

    number = rows.shape[0]
    membership = csr_matrix((np.ones(number), (selected, np.arange(number))), shape=(count, number))
    added = membership @ rows
    result = np.empty((count, rows.shape[1] + 1))
    result[:, :-1] = added if isinstance(added, np.ndarray) else added.toarray()
    result[:, -1] = np.bincount(selected, minlength=count)
    return result


class Centres:
    """The K centres of a pass over mini-batches, with the number of rows that each has seen.

    A centre moves towards the mean of its new rows by their share of all rows that it has seen. With a half-life, rows
    count half after that number of further rows.
    """

    def __init__(self, centres: Array, half_life: int) -> None:
        self.centres = centres
        self.seen = np.zeros(len(centres))
        self.half_life = half_life

    def move(self, added: Array) -> None:
        """Take the sums of a mini-batch, as :func:`sums` returns them."""
        numbers = added[:, -1]
        if self.half_life:
            self.seen *= 0.5 ** (numbers.sum() / self.half_life)
        self.seen += numbers
        moved = numbers > 0
        shares = (numbers[moved] / self.seen[moved])[:, None]
        means = added[moved, :-1] / numbers[moved][:, None]
        self.centres[moved] += shares * (means - self.centres[moved])


@dataclass(frozen=True)
class Reduction:
    """Settings of the step from K centres to k: trials of Lloyd's method, the best of which is kept."""

    method: Method
    most_iterations: int
    tolerance: float
    trials: int

    def run(self, centres: Centres, k: int, generator: np.random.Generator) -> tuple[Array, list[float]]:
        """Return the k centres, and the mean squared distance of each trial.

        Centres count by the number of rows that they have seen: a documented pass over K points says nothing of it, and
        without it a centre of a few rows would be worth one of thousands.
        """
        points, weights = centres.centres, np.maximum(centres.seen, 1e-9)
        best, losses = points[:k], list[float]()
        for _ in range(self.trials):
            start = initial_centres(points, k, self.method, generator, weights)
            found, loss = _lloyd(points, weights, start, self.most_iterations, self.tolerance)
            if not losses or loss < min(losses):
                best = found
            losses.append(loss)
        return best, losses


def _lloyd(points: Array, weights: Array, centres: Array, most: int, tolerance: float) -> tuple[Array, float]:
    """Return centres and their mean squared distance, once an iteration lowers it by no more than ``tolerance``."""
    loss, lengths = np.inf, _squared_lengths(points)
    for _ in range(most):
        scores = points @ (-2.0 * centres.T) + _squared_lengths(centres)
        selected = scores.argmin(axis=1)
        distances = np.maximum(scores[np.arange(len(points)), selected] + lengths, 0.0)
        previous, loss = loss, float(distances @ weights / weights.sum())
        if previous - loss <= tolerance * loss:
            break
        centres = _means(points, weights, selected, centres)
    return centres, loss


def _means(points: Array, weights: Array, selected: Array, centres: Array) -> Array:
    """Return the weighted mean of the points of each centre; a centre without points stays where it is."""
    membership = np.zeros((len(centres), len(points)))
    membership[selected, np.arange(len(points))] = weights
    numbers = membership.sum(axis=1, keepdims=True)
    return np.where(numbers > 0, membership @ points / np.where(numbers > 0, numbers, 1.0), centres)
