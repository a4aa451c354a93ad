"""pytest-xdist in mock mode: each process has its own local AWS."""

import pytest

from tests.support.outside import ROOT, restore_environment

TEST = """
import urllib.request
import pytest

def test_a_bucket_of_another_process_is_not_visible(s3_client):
    s3_client.create_bucket(Bucket="same-name-in-each")
    s3_client.put_object(Bucket="same-name-in-each", Key="key", Body=b"1")
    assert len(s3_client.list_buckets()["Buckets"]) == 1
    with pytest.raises(OSError, match="does not emulate wiki.example"):
        urllib.request.urlopen("https://wiki.example")
"""


@pytest.mark.slow
def test_two_processes_share_nothing_and_one_summary_has_what_both_left(pytester, monkeypatch):
    restore_environment(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    pytester.makepyfile(test_one=TEST, test_two=TEST)
    result = pytester.runpytest_subprocess("-n", "2", "--dist", "loadfile")
    result.assert_outcomes(passed=2)
    text = result.stdout.str()
    test = "test_a_bucket_of_another_process_is_not_visible"
    for file in ("test_one", "test_two"):
        assert f"S3 objects: 1 in s3://same-name-in-each (key), created during {file}.py::{test}" in text
    assert text.count("wiki.example") == 1
