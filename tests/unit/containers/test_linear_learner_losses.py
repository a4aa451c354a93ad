"""Losses and their gradients, against numbers known from their definitions."""

import numpy as np
import pytest

from harness.containers.amazon.model import sigmoid
from harness.containers.linear_learner import losses
from harness.containers.linear_learner.hyperparameters import SCHEMA
from harness.containers.linear_learner.model import softmax

PARAMETERS = {name: entry.default for name, entry in SCHEMA.items()} | {
    "quantile": 0.9,
    "huber_delta": 0.5,
    "loss_insensitivity": 0.2,
    "margin": 1.5,
}
REGRESSION = [
    ("squared_loss", [4.0, 0.01, 1.0]),
    ("absolute_loss", [2.0, 0.1, 1.0]),
    ("eps_insensitive_squared_loss", [1.8**2, 0.0, 0.64]),
    ("eps_insensitive_absolute_loss", [1.8, 0.0, 0.8]),
    ("quantile_loss", [0.9 * 2, 0.9 * 0.1, 0.1 * 1]),  # labels above the prediction cost nine times as much
    ("huber_loss", [0.5 * (2 - 0.25), 0.005, 0.5 * (1 - 0.25)]),
]


def numerical(loss, scores, labels):
    """Return the gradient of the summed loss by central differences."""
    gradient = np.zeros_like(scores)
    for index in np.ndindex(scores.shape):
        sides = []
        for side in (1e-4, -1e-4):
            moved = scores.copy()
            moved[index] += side
            sides.append(loss.of(moved, labels)[0].sum())
        gradient[index] = (sides[0] - sides[1]) / 2e-4
    return gradient


@pytest.mark.parametrize(("name", "expected"), REGRESSION)
def test_a_loss_of_regression_has_its_defined_value(name, expected):
    scores, labels = np.zeros((3, 1)), np.array([2.0, 0.1, -1.0])
    assert losses.named(name, PARAMETERS).of(scores, labels)[0][:, 0] == pytest.approx(expected)


@pytest.mark.parametrize("name", [*dict(REGRESSION), "logistic", "hinge_loss", "softmax_loss"])
def test_a_gradient_is_the_slope_of_its_loss(name):
    random = np.random.default_rng(0)
    shape = (20, 3, 4) if name == "softmax_loss" else (20, 3)
    labels = random.integers(0, 4 if name == "softmax_loss" else 2, 20).astype(float)
    scores = random.normal(size=shape)
    loss = losses.named(name, PARAMETERS)
    assert loss.of(scores, labels)[1] == pytest.approx(numerical(loss, scores, labels), abs=1e-3)


def test_hinge_loss_is_the_distance_to_the_margin():
    scores = np.array([[2.0], [0.5], [0.5]])
    assert losses.named("hinge_loss", PARAMETERS).of(scores, np.array([1, 1, 0]))[0][:, 0] == pytest.approx([0, 1, 2])


def test_cross_entropies_are_logarithms_of_the_answers():
    scores = np.random.default_rng(1).normal(size=(5, 1, 3)) * 5
    classes = np.array([0, 1, 2, 1, 0])
    found = losses.named("softmax_loss", PARAMETERS).of(scores, classes)[0][:, 0]
    assert found == pytest.approx(-np.log(softmax(scores[:, 0])[np.arange(5), classes]))
    found = losses.named("logistic", PARAMETERS).of(scores[:, :, 0], np.ones(5))[0]
    assert found == pytest.approx(-np.log(sigmoid(scores[:, :, 0])))


def test_huge_scores_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        scores = np.array([[1e4], [-1e4]], np.float32)
        assert sigmoid(scores)[:, 0].tolist() == [1, 0]
        assert losses.named("logistic", PARAMETERS).of(scores, np.array([0, 1]))[0][:, 0].tolist() == [1e4, 1e4]
        assert softmax(scores.T).tolist() == [[1, 0]]
