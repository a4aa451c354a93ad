import matplotlib.image
import numpy as np
import pytest

from harness import mnist
from harness.pipeline import plots

VERMILLION = np.array([0xD5, 0x5E, 0x00]) / 255


@pytest.fixture(scope="module")
def some():
    return mnist.load("test", 300)


def read(path):
    return matplotlib.image.imread(path)[:, :, :3]


def marked(picture):
    """Return how many pixels have the colour that marks wrong digits."""
    return int((np.abs(picture - VERMILLION).max(axis=2) < 0.01).sum())


def drawn_digits(tmp_path, some, predictions):
    plots.digits(tmp_path / "digits.png", some.images, some.labels, predictions)
    return read(tmp_path / "digits.png")


def test_the_digits_fit_a_screen(tmp_path, some):
    height, width, _ = drawn_digits(tmp_path, some, some.labels).shape
    assert (width, height) == (1200, 860)


def test_right_predictions_bear_no_mark(tmp_path, some):
    assert marked(drawn_digits(tmp_path, some, some.labels)) == 0


@pytest.mark.slow
def test_each_wrong_digit_shown_is_marked_the_same(tmp_path, some):
    one, two = some.labels.copy(), some.labels.copy()
    one[:1] = (one[:1] + 1) % 10
    two[:2] = (two[:2] + 1) % 10
    marks = [marked(drawn_digits(tmp_path, some, predictions)) for predictions in (one, two)]
    assert marks[0] > 500
    assert marks[1] == pytest.approx(2 * marks[0], rel=0.05)


@pytest.mark.slow
def test_predictions_as_spark_returns_them_give_the_same_picture(tmp_path, some):
    as_doubles = drawn_digits(tmp_path, some, some.labels.astype(float))
    assert np.array_equal(as_doubles, drawn_digits(tmp_path, some, some.labels))


@pytest.mark.slow
def test_the_digits_themselves_are_in_the_picture(tmp_path, some):
    blank = some._replace(images=np.zeros_like(some.images))
    ink = [1 - drawn_digits(tmp_path, digits, digits.labels).mean() for digits in (some, blank)]
    assert ink[0] > 2 * ink[1]


def test_a_class_never_predicted_says_so_where_its_digits_would_be(tmp_path, some, monkeypatch):
    written = texts_written(monkeypatch)
    drawn_digits(tmp_path, some, np.where(some.labels == 4, 9, some.labels))
    assert [text for text in written if text.startswith("no digit")] == ["no digit was predicted to be 4"]


def test_all_digits_are_counted_although_the_first_are_drawn(tmp_path, some, monkeypatch):
    titles = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda _, text, **__: titles.append(text))
    predictions = some.labels.copy()
    predictions[[0, 299]] = (some.labels[[0, 299]] + 1) % 10
    plots.digits(tmp_path / "digits.png", some.images[:250], some.labels, predictions)
    assert titles == ["Digits by predicted class: 2 of 300 are wrong (up to 16 of each are shown)"]


@pytest.mark.slow
def test_a_class_predicted_only_later_is_not_called_never_predicted(tmp_path, some, monkeypatch):
    written = texts_written(monkeypatch)
    predictions = np.where(some.labels == 4, 9, some.labels)
    predictions[299] = 4
    plots.digits(tmp_path / "digits.png", some.images[:250], some.labels, predictions)
    assert "none of the first 250 was predicted to be 4" in written


def test_a_wrong_digit_says_what_it_is(tmp_path, some, monkeypatch):
    written = texts_written(monkeypatch)
    predictions = some.labels.copy()
    predictions[0] = 2  # a 7
    drawn_digits(tmp_path, some, predictions)
    assert written == ["is 7"]


def test_the_confusion_matrix_holds_every_count(tmp_path, some, monkeypatch):
    written = texts_written(monkeypatch)
    predictions = np.where(some.labels == 4, 9, some.labels)
    plots.confusion(tmp_path / "confusion.png", some.labels, predictions, 0.5)
    counts = np.array([int(text) for text in written]).reshape(10, 10)
    fours = np.count_nonzero(some.labels == 4)
    assert counts.sum() == 300
    assert (counts[4, 9], counts[4, 4], counts[0, 0]) == (fours, 0, np.count_nonzero(some.labels == 0))


def test_the_confusion_matrix_can_be_drawn_of_a_single_digit(tmp_path, some):
    plots.confusion(tmp_path / "confusion.png", some.labels[:1], some.labels[:1], 1.0)
    assert read(tmp_path / "confusion.png").shape == (1050, 1200, 3)


def texts_written(monkeypatch):
    """Return a list that fills with the texts drawn inside the axes."""
    written = []
    text = plots.Axes.text
    monkeypatch.setattr(
        plots.Axes, "text", lambda self, x, y, s, **how: written.append(s) or text(self, x, y, s, **how)
    )
    return written
