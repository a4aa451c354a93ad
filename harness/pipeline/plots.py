"""Pictures of predicted digits, of a confusion matrix, and of an endpoint's latency."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from harness.mnist import CLASSES
from harness.pipeline.outcome import confusion_counts

SAMPLES = 16
"""Digits shown of each predicted class."""

_SIDE = 28
_WIDTH, _HEIGHT = 32, 38  # cell of a digit: the digit, a margin, and a strip below for the true class of a wrong one
_MARGIN = (_WIDTH - _SIDE) // 2
_WRONG = "#d55e00"  # vermillion of the Okabe-Ito palette; the frame shows it without colour too
_CURVE = "#0072b2"  # its blue

Array = npt.NDArray[Any]


def digits(path: Path, images: Array, labels: Array, predictions: Array) -> None:
    """Write a PNG of the first digits predicted to be 0, 1 … 9, in a row for each class.

    Wrong digits are framed and labelled with their true class. A class that was never predicted is labelled so.

    All digits are counted, as in the confusion matrix, although the images of the first are enough to draw.

    :param images: shape (at most n, 784), 0 background to 255 ink; those of the first digits.
    :param labels: shape (n,), the true classes, as whole numbers of any type.
    :param predictions: shape (n,), the predicted classes, likewise.
    """
    labels, predictions = labels.astype(int), predictions.astype(int)
    drawn = predictions[: len(images)]
    figure, axes = _new_figure(12.0, 8.6)
    mosaic = np.zeros((CLASSES * _HEIGHT, SAMPLES * _WIDTH))
    for digit in range(CLASSES):
        members = np.flatnonzero(drawn == digit)[:SAMPLES]
        none = f"none of the first {len(drawn):,}" if digit in predictions else "no digit"
        _draw_row(axes, mosaic, digit, images[members], labels[members], f"{none} was predicted to be {digit}")
    axes.imshow(mosaic, cmap="Greys", extent=(0, mosaic.shape[1], mosaic.shape[0], 0))
    _label_rows(axes, labels, predictions)
    wrong = np.count_nonzero(labels != predictions)
    axes.set_title(
        f"Digits by predicted class: {wrong:,} of {len(labels):,} are wrong (up to {SAMPLES} of each are shown)"
    )
    figure.savefig(path, format="png")


def confusion(path: Path, labels: Array, predictions: Array, accuracy: float) -> None:
    """Write a PNG of the confusion matrix: true classes down, predicted classes across, counts in the cells.

    :param labels: shape (n,), the true classes, as whole numbers of any type.
    :param predictions: shape (n,), the predicted classes, likewise.
    :param accuracy: the share of right predictions, for the title.
    """
    counts = confusion_counts(labels, predictions)
    figure, axes = _new_figure(12.0, 10.5)
    # On a linear scale the correct counts would hide the mistakes, which are of interest.
    norm = LogNorm(1, max(10, counts.max()))
    axes.imshow(counts, cmap="Blues", norm=norm)
    for (true, predicted), count in np.ndenumerate(counts):
        color = "#999999" if count == 0 else "white" if norm(count) > 0.6 else "black"
        weight = "bold" if true == predicted else "normal"
        axes.text(predicted, true, f"{count:,}", ha="center", va="center", fontsize=14, color=color, weight=weight)
    _name_classes(axes, counts)
    axes.set_title(f"Accuracy {accuracy:.4f} on {len(labels):,} digits", fontsize=17, pad=14)
    figure.savefig(path, format="png")


def latency(path: Path, percents: Array, milliseconds: Array, title: str, bound: float | None = None) -> None:
    """Write a PNG of latency by percentile, on an axis in which each further nine has the same width.

    :param percents: percentiles, shape (n,), ascending, below 100.
    :param milliseconds: latency at each percentile, shape (n,).
    :param bound: upper bound in milliseconds, drawn as a line.
    """
    figure, axes = _new_figure(10.0, 6.0)
    axes.semilogy(_nines(percents), milliseconds, color=_CURVE, linewidth=2.5, drawstyle="steps-pre")
    if bound is not None:
        axes.axhline(bound, color=_WRONG, linestyle="--", linewidth=2)
        axes.text(0.02, bound, f"{bound:g} ms", color=_WRONG, fontsize=13, va="bottom")
    shown = [percent for percent in (50.0, 90.0, 99.0, 99.9, 99.99) if percent <= percents[-1]]
    axes.set_xticks(_nines(np.array(shown)), [f"p{percent:g}" for percent in shown])
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g} ms")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#dddddd", which="both", linewidth=0.6)
    axes.set_ylabel("latency", fontsize=15)
    axes.set_title(title, fontsize=14, pad=12)
    figure.savefig(path, format="png")


def _nines(percents: Array) -> Array:
    """Return the number of nines in each percentile: 1 for p90, 2 for p99."""
    return np.asarray(-np.log10(1 - percents / 100))


def _new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a matplotlib ``Figure`` of a size in hundreds of pixels, and the frameless axes that fill it."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=13)
    return figure, axes


def _draw_row(axes: Axes, mosaic: Array, row: int, images: Array, labels: Array, otherwise: str) -> None:
    """Put the digits predicted to be ``row`` into the mosaic, and mark the wrong ones on the axes.

    :param otherwise: text of a row without digits.
    """
    top = row * _HEIGHT
    if not len(images):
        axes.text(_MARGIN, top + _WIDTH / 2, otherwise, va="center", style="italic")
    for column, (image, label) in enumerate(zip(images, labels, strict=True)):
        left = column * _WIDTH
        mosaic[top + _MARGIN :, left + _MARGIN :][:_SIDE, :_SIDE] = image.reshape(_SIDE, _SIDE)
        if label != row:
            _mark_wrong(axes, left, top, label)


def _mark_wrong(axes: Axes, left: int, top: int, label: int) -> None:
    """Frame the cell with this corner and write the true class below its digit."""
    width, height, strip = _WIDTH - 2, _HEIGHT - 2, _HEIGHT - _WIDTH + 2
    axes.add_patch(Rectangle((left + 1, top + 1), width, height, fill=False, edgecolor=_WRONG, linewidth=2.5))
    axes.add_patch(Rectangle((left + 1, top + 1 + height - strip), width, strip, facecolor=_WRONG))
    middle = (left + _WIDTH / 2, top + 1 + height - strip / 2)
    axes.text(*middle, f"is {label}", color="white", weight="bold", fontsize=10, ha="center", va="center_baseline")


def _label_rows(axes: Axes, labels: Array, predictions: Array) -> None:
    """Label each row with its predicted class, the number of digits and the number of wrong ones."""
    texts = []
    for digit in range(CLASSES):
        of_class = labels[predictions == digit]
        texts.append(f"predicted {digit}\n{len(of_class):,}, {np.count_nonzero(of_class != digit):,} wrong")
    axes.set_yticks([digit * _HEIGHT + _WIDTH / 2 for digit in range(CLASSES)], texts, fontsize=11)
    axes.set_xticks([])


def _name_classes(axes: Axes, counts: Array) -> None:
    """Label the classes along the matrix, mark empty ones with a word, and draw lines between them."""
    borders = np.arange(0.5, CLASSES - 1)
    axes.set_xticks(range(CLASSES), [_tick(digit, counts[:, digit], "predicted") for digit in range(CLASSES)])
    axes.set_yticks(range(CLASSES), [_tick(digit, counts[digit], "present") for digit in range(CLASSES)])
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="#dddddd")
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("predicted digit", fontsize=15, labelpad=10)
    axes.set_ylabel("true digit", fontsize=15, labelpad=10)


def _tick(digit: int, counts: Array, verb: str) -> str:
    """Return the label of a row or column, with a word if it is empty."""
    return str(digit) if counts.any() else f"{digit}\nnever\n{verb}"
