import numpy as np
import pytest
from sklearn.datasets import load_svmlight_file

from harness import mnist

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.slow
@pytest.mark.parametrize(("split", "counts", "mean"), [("train", TRAIN_COUNTS, 33.318), ("test", TEST_COUNTS, 33.791)])
def test_each_split_holds_the_published_digits(split, counts, mean):
    images, labels = mnist.load(split)
    assert np.bincount(labels).tolist() == counts
    assert images.shape == (sum(counts), 784)
    assert images.mean() == pytest.approx(mean, abs=0.0005)


def test_the_first_training_digits_are_in_the_published_order():
    assert mnist.load("train", rows=10).labels.tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


@pytest.mark.parametrize("rows", [0, 1, 2_500])
def test_fewer_rows_are_the_first_of_all_rows(rows):
    few, every = mnist.load("test", rows), mnist.load("test")
    assert few.images.shape == (rows, 784)
    assert np.array_equal(few.images, every.images[:rows])
    assert np.array_equal(few.labels, every.labels[:rows])


@pytest.mark.parametrize(("split", "rows"), [("train", 60_001), ("test", 10_001), ("test", -1)])
def test_too_many_rows_is_an_error_that_gives_the_number_of_rows(split, rows):
    with pytest.raises(ValueError, match=f"{mnist.ROWS[split]:,} rows"):
        mnist.load(split, rows)


def test_an_unknown_split_is_an_error_that_names_the_existing_ones():
    with pytest.raises(ValueError, match="train and test"):
        mnist.load("validation")


@pytest.mark.slow
@pytest.mark.parametrize(("split", "size"), [("train", 69_430_283), ("test", 11_671_108)])
def test_the_libsvm_text_has_as_many_bytes_as_the_sample_bucket_holds(split, size):
    assert sum(map(len, mnist.libsvm(split))) == size


@pytest.mark.slow
def test_the_libsvm_text_read_back_is_the_dataset(tmp_path):
    path = tmp_path / "test.libsvm"
    path.write_bytes(b"".join(mnist.libsvm("test")))
    images, labels = load_svmlight_file(str(path), n_features=784, zero_based=False)
    digits = mnist.load("test")
    assert np.array_equal(images.toarray(), digits.images)
    assert np.array_equal(labels, digits.labels)


def test_the_libsvm_text_comes_in_whole_lines():
    chunks = list(mnist.libsvm("test"))
    assert len(chunks) > 1
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert sum(chunk.count(b"\n") for chunk in chunks) == 10_000
