"""Computations of the benchmarks themselves: options, the SDK's text and requests, and percentiles."""

import numpy as np
import pytest
from sdk_text import requests, row_sizes

from benchmarks.conftest import whole_numbers
from harness import libsvm, mnist
from harness.bench.endpoints import dense, dense_text

IMAGES = mnist.load("test", 30).images


def test_an_option_takes_whole_numbers_each_once():
    assert whole_numbers("1, 815,10,1", "--batch") == [1, 815, 10]


@pytest.mark.parametrize("text", ["", "0", "1,", "-3", "1.5", "ten", "²", "1;2"])
def test_an_option_that_is_not_a_list_of_whole_numbers_is_refused_with_an_example(text):
    with pytest.raises(pytest.UsageError, match=r"--batch is .*\n  to fix:  .*: --batch 1,2"):
        whole_numbers(text, "--batch")


def test_dense_text_is_every_pixel_in_order():
    rows = libsvm.parse(dense_text(IMAGES), features=mnist.FEATURES)
    assert np.array_equal(rows.features, IMAGES)
    assert not rows.labels.any()


def test_training_text_is_the_same_text_with_labels():
    digits = mnist.load("train", 5)
    without = dense_text(digits.images).splitlines()
    assert dense(5).splitlines() == [
        b"%d.0" % label + line.removeprefix(b"0.0") for label, line in zip(digits.labels, without, strict=True)
    ]


def test_row_sizes_match_the_text():
    lines = dense_text(IMAGES).splitlines(keepends=True)
    assert row_sizes(IMAGES, "dense").tolist() == [len(line) for line in lines]
    without_zeros = [sum(len(part) + 1 for part in line.split() if not part.endswith(b":0.0")) for line in lines]
    assert row_sizes(IMAGES, "sparse").tolist() == without_zeros


@pytest.mark.parametrize(
    ("sizes", "count"), [([], 0), ([4], 1), ([4, 6], 1), ([4, 6, 1], 2), ([6, 6, 6], 3), ([10, 10], 2), ([1] * 21, 3)]
)
def test_requests_are_filled_one_after_the_other(sizes, count):
    assert requests(sizes, largest=10) == count


def test_mnist_rows_fill_requests_of_about_815_rows():
    sizes = row_sizes(mnist.load("test", 4000).images, "dense")
    assert requests(sizes) == 5
