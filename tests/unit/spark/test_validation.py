"""The guard on files: what Spark, the SDK or XGBoost would lose or change is refused with the reason."""

import gzip

import pytest

from harness.errors import DataError
from harness.spark.validation import check_libsvm


@pytest.fixture
def save(tmp_path):
    """Write a file and return its path."""

    def save(text, name="rows.libsvm"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
        return path

    return save


def test_the_rows_of_a_file_are_counted(save):
    assert check_libsvm(save(b"0 1:1 3:0.5\n1 2:-1e10\n2\n")) == 3
    assert check_libsvm(str(save(b"0 1:1\n9 784:255\n")), features=784, classes=10) == 2


def test_blanks_that_spark_reads_as_well_are_let_pass(save):
    assert check_libsvm(save(b" 0  1:1 \r\n1 2:2\n")) == 2


def test_a_directory_is_checked_without_what_spark_and_hadoop_hide(save):
    save(b"not rows", "data/_SUCCESS")
    save(b"not rows", "data/.part-0.crc")
    assert check_libsvm(save(b"1 1:1\n", "data/part-0").parent) == 1


def test_gzip_is_read_where_spark_reads_it(save):
    assert check_libsvm(save(gzip.compress(b"1 1:1\n2 1:2\n"), "rows.gz")) == 2


REFUSED = {
    "NaN": (b"1 1:1\n1 1:nan\n", "line 2, column 5: 'nan' breaks the rule that a value is finite"),
    "an infinite label": (b"inf 1:1\n", "line 1, column 1: 'inf' breaks the rule that a label is finite"),
    "a value that XGBoost takes for infinite": (b"1 1:3.5e38\n", "'3.5e38' breaks the rule that a value fits a 32-bit"),
    "a label that XGBoost takes for infinite": (b"1e39 1:1\n", "row 1: the label 1e+39 does not fit in a 32-bit float"),
    "a feature too many": (b"1 1:1 4:1\n", "line 1, column 7: '4' breaks the rule that no index is above 3"),
    "descending indices": (b"1 2:1 1:1\n", "breaks the rule that indices ascend"),
    "a tab, which Spark's reader refuses": (b"1\t1:1\n", "breaks the rule that one space separates two fields"),
    "a comment, which Spark's reader takes for a value": (b"1 1:1 # one\n", "a feature is written <index>:<value>"),
    "no rows": (b"", "has no rows"),
    "a label that is no class": (b"0 1:1\n2 1:1\n", "line 2: the label 2 is not a class from 0 to 1"),
    "a label between classes": (b"0.5 1:1\n", "line 1: the label 0.5 is not a class from 0 to 1"),
    "a negative label": (b"-1 1:1\n", "line 1: the label -1 is not a class from 0 to 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_would_not_arrive_as_it_is_is_refused(save, case):
    text, told = REFUSED[case]
    with pytest.raises(DataError) as caught:
        check_libsvm(save(text), features=3, classes=None if "XGBoost" in case else 2)
    assert told in caught.value.what
    assert caught.value.fix


NAMES = {
    "_rows.libsvm": "Spark skips it and reads no row",
    ".rows.libsvm": "Spark skips it and reads no row",
    "rows[1].libsvm": "a name that Spark reads as a pattern",
    "rows.gz": "is not compressed, but Spark goes by its name",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_makes_spark_read_something_else_is_refused(save, name):
    with pytest.raises(DataError) as caught:
        check_libsvm(save(b"1 1:1\n", name))
    assert NAMES[name] in caught.value.what


def test_gzip_under_a_plain_name_is_refused(save):
    with pytest.raises(DataError, match="is compressed with gzip, but Spark goes by its name"):
        check_libsvm(save(gzip.compress(b"1 1:1\n")))


def test_rows_in_a_directory_below_which_spark_does_not_read_are_refused(save):
    above = save(b"1 1:1\n", "data/part-0").parent
    (above / "more").mkdir()
    (above / "more" / "part-1").write_bytes(b"1 1:1\n")
    with pytest.raises(DataError, match=r"part-1 is not directly in .*data: Spark skips it\."):
        check_libsvm(above)


def test_a_file_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"missing cannot be read: No such file or directory\."):
        check_libsvm(tmp_path / "missing")
