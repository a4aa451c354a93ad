"""S3's rules that need no server: pages of lists, conditions, names, documents and ranges."""

from datetime import datetime

import pytest

from harness.localaws.s3.rules import conditions, names
from harness.localaws.s3.rules.conditions import WriteConditions
from harness.localaws.s3.rules.documents import check_document, parts_to_complete
from harness.localaws.s3.rules.objects import check_copy_range, copy_source
from harness.localaws.s3.rules.pages import key_of_token, page, token_of
from harness.localaws.s3.rules.parameters import single_range
from harness.localaws.s3.rules.refusals import S3Refusal
from harness.localaws.s3.rules.xml_answers import document, field

KEYS = ["a", "b/1", "b/2", "c", "d/1", "é"]


def listed(marker="", size=10, prefix="", delimiter="/"):
    found = page(
        (key for key in KEYS if key.startswith(prefix) and key > marker),
        str,
        prefix=prefix,
        delimiter=delimiter,
        marker=marker,
        size=size,
    )
    return found.entries, found.groups, found.is_truncated, found.last


@pytest.mark.parametrize(
    ("asked", "entries", "groups", "truncated", "last"),
    [
        ({}, ["a", "c", "é"], ["b/", "d/"], False, "é"),
        ({"size": 2}, ["a"], ["b/"], True, "b/"),
        ({"marker": "b/", "size": 2}, ["c"], ["d/"], True, "d/"),
        ({"marker": "b/1"}, ["c", "é"], ["d/"], False, "é"),
        ({"prefix": "b/"}, ["b/1", "b/2"], [], False, "b/2"),
        ({"delimiter": ""}, KEYS, [], False, "é"),
        ({"size": 0}, [], [], False, ""),
        ({"size": 5}, ["a", "c", "é"], ["b/", "d/"], False, "é"),
    ],
)
def test_a_page_groups_keys_and_says_where_the_next_one_begins(asked, entries, groups, truncated, last):
    assert listed(**asked) == (entries, groups, truncated, last)


@pytest.mark.parametrize("key", ["a", "é/ü", "a\nb", "x" * 1024])
def test_a_token_holds_its_key_and_others_hold_none(key):
    token = token_of(key)
    assert key_of_token(token) == key
    assert key not in token or len(key) == 1
    assert [key_of_token(other) for other in ("", "garbage", token[:-4] + "AAAA", token_of("other")[:8])] == [None] * 4


ETAG, WRITTEN = '"abc"', datetime(2024, 5, 6, 7, 8, 9)
THEN, LATER = "Mon, 06 May 2024 07:08:09 GMT", "Tue, 07 May 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ({"if-match": "abc"}, ""),
        ({"if-match": '"x", "abc"'}, ""),
        ({"if-match": '"x"'}, "if-match"),
        ({"if-none-match": "*"}, "if-none-match"),
        ({"if-modified-since": THEN}, "if-modified-since"),
        ({"if-modified-since": LATER}, "if-modified-since"),
        ({"if-unmodified-since": THEN}, ""),
        ({"if-unmodified-since": "Sun, 05 May 2024 00:00:00 GMT"}, "if-unmodified-since"),
        ({"if-match": ETAG, "if-unmodified-since": "Sun, 05 May 2024 00:00:00 GMT"}, ""),
        ({"if-none-match": '"x"', "if-modified-since": LATER}, ""),
        ({"if-modified-since": "yesterday"}, ""),
        ({"range": "bytes=0-1"}, ""),
    ],
)
def test_conditions_of_a_read_have_the_order_of_the_rfc(given, failed):
    assert conditions.failed_read(given, ETAG, WRITTEN) == failed


@pytest.mark.parametrize(
    ("write", "etag", "failed", "missing"),
    [
        (WriteConditions(if_none_match="*"), None, "", False),
        (WriteConditions(if_none_match="*"), ETAG, "if-none-match", False),
        (WriteConditions(if_match="abc"), ETAG, "", False),
        (WriteConditions(if_match="x"), ETAG, "if-match", False),
        (WriteConditions(if_match="x"), None, "if-match", True),
        (WriteConditions(if_match="*", deletes=True), None, "if-match", False),
    ],
)
def test_conditions_of_a_write_are_about_the_current_object(write, etag, failed, missing):
    assert (write.failed(etag), write.needs_object(etag)) == (failed, missing)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [("bytes=0-0", (0, 0)), ("bytes=5-", (5, 9)), ("bytes=-3", (7, 9)), ("bytes=-99", (0, 9)), ("bytes=10-", (0, -1)),
     ("bytes=-0", (0, -1)), ("bytes=3-2", None), ("bytes=0-1,3-4", None), ("bytes=-", None), ("x=0-1", None)],
)  # fmt: skip
def test_a_range_is_chosen_or_ignored_or_outside(header, chosen):
    assert single_range(header, 10) == chosen


def test_an_empty_object_has_no_range():
    assert single_range("bytes=0-", 0) == single_range("bytes=-5", 0) == (0, -1)


def code_of(call, *arguments):
    with pytest.raises(S3Refusal) as refusal:
        call(*arguments)
    return refusal.value.code


@pytest.mark.parametrize("key", ["a/../b", "./a", "a//../..b", "..a", "a/b/../../c"])
def test_a_key_may_climb_within_its_bucket(key):
    names.check_key(key)
    assert code_of(names.check_key, f"../{key}") == "InvalidURI"


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("PutBucketVersioning", b"<VersioningConfiguration/>", "IllegalVersioningConfigurationException"),
        (
            "PutBucketVersioning",
            b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
            "MalformedXML",
        ),
        ("PutBucketTagging", b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>", "MalformedXML"),
        ("PutBucketCors", b"<CORSConfiguration><CORSRule/></CORSConfiguration>", "MalformedXML"),
        ("PutBucketCors", b"<!DOCTYPE x><CORSConfiguration/>", "MalformedXML"),
        ("PutBucketCors", b" ", "MissingRequestBodyError"),
    ],
)
def test_a_document_of_another_form_is_refused(operation, body, code):
    assert code_of(check_document, operation, body) == code


def test_mfa_delete_is_refused_by_name():
    body = b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"
    with pytest.raises(S3Refusal, match="does not emulate MfaDelete"):
        check_document("PutBucketVersioning", body)


@pytest.mark.parametrize("space", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_documents_with_and_without_namespace_are_taken(space):
    rule = "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>"
    check_document("PutBucketCors", f"<CORSConfiguration{space}>{rule}{rule}</CORSConfiguration>".encode())
    part = "<Part><ETag>&quot;e&quot;</ETag><PartNumber>1</PartNumber></Part>"
    parts = parts_to_complete(f"<CompleteMultipartUpload{space}>{part}</CompleteMultipartUpload>".encode())
    assert parts == [(1, '"e"')]


def test_operations_without_a_document_take_any_body():
    for operation in ("PutBucketPolicy", "PutObject", "GetObject", "ListObjects"):
        check_document(operation, b"<not")


@pytest.mark.parametrize(
    ("header", "source"),
    [("b/k", ("b", "k", None)), ("/b/a%20b", ("b", "a b", None)), ("b/k?versionId=v", ("b", "k", "v")),
     ("b/%3FversionId", ("b", "?versionId", None)), ("b", ("b", "", None)), ("b/a+b", ("b", "a+b", None))],
)  # fmt: skip
def test_a_copy_source_is_decoded_once(header, source):
    assert copy_source(header) == source


def test_a_range_to_copy_is_within_the_source():
    check_copy_range("bytes=0-9", 10)
    assert code_of(check_copy_range, "bytes=0-10", 10) == code_of(check_copy_range, "bytes=5", 10) == "InvalidArgument"


def test_names_that_xml_cannot_have_are_references():
    assert b"<Key>a&#x1;b&amp;&lt;</Key>" in document("R", field("Key", "a\x01b&<"))
