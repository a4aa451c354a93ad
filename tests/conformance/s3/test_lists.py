"""Lists of objects, version 1 and 2.

Values are those of https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html and API_ListObjectsV2.html. The
orders, delimiters and refusals are what the public S3 suite of Ceph expects of AWS.
"""

from urllib.parse import unquote

import pytest

from tests.conformance.s3.service import elements, refused, verdict

KEYS = ["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla", "é", "z+ %", "dir/", "dir/file"]
ORDERED = sorted(KEYS, key=str.encode)


@pytest.fixture(scope="module")
def listed(service, s3):
    name = service.make_bucket()
    for each in KEYS:
        s3.put_object(Bucket=name, Key=each, Body=each.encode())
    return name


@pytest.fixture(params=["list_objects", "list_objects_v2"])
def listing(request, s3):
    return getattr(s3, request.param)


def keys(answer):
    return [each["Key"] for each in answer.get("Contents", [])]


def prefixes(answer):
    return [each["Prefix"] for each in answer.get("CommonPrefixes", [])]


CASES = [
    ({}, ORDERED, []),
    ({"Prefix": "boo/"}, ["boo/bar", "boo/baz/xyzzy"], []),
    ({"Prefix": "none"}, [], []),
    ({"Prefix": ""}, ORDERED, []),
    ({"Prefix": "é"}, ["é"], []),
    ({"Prefix": "boo/bar"}, ["boo/bar"], []),
    ({"Prefix": "dir/"}, ["dir/", "dir/file"], []),
    ({"Delimiter": "/"}, ["asdf", "z+ %", "é"], ["boo/", "cquux/", "dir/"]),
    ({"Delimiter": ""}, ORDERED, []),
    ({"Delimiter": "none"}, ORDERED, []),
    ({"Delimiter": "a"}, ["cquux/thud", "dir/", "dir/file", "z+ %", "é"], ["a", "boo/ba", "cquux/bla"]),
    ({"Delimiter": "%"}, [k for k in ORDERED if k != "z+ %"], ["z+ %"]),
    ({"Delimiter": " "}, [k for k in ORDERED if k != "z+ %"], ["z+ "]),
    ({"Delimiter": "oo"}, [k for k in ORDERED if "oo" not in k], ["boo"]),
    ({"Delimiter": "/", "Prefix": "boo/"}, ["boo/bar"], ["boo/baz/"]),
    ({"Delimiter": "/", "Prefix": "boo"}, [], ["boo/"]),
    ({"Delimiter": "/", "Prefix": "dir/"}, ["dir/", "dir/file"], []),
    ({"Delimiter": "/", "Prefix": "dir"}, [], ["dir/"]),
    ({"Delimiter": "/", "Prefix": "cquux/b"}, ["cquux/bla"], []),
    ({"Delimiter": "z", "Prefix": "boo/"}, ["boo/bar"], ["boo/baz"]),
]


@pytest.mark.parametrize(("asked", "found", "grouped"), CASES, ids=lambda value: str(value)[:40])
def test_a_list_has_the_keys_and_groups_asked_for(listing, listed, asked, found, grouped):
    answer = listing(Bucket=listed, **asked)
    assert keys(answer) == found
    assert prefixes(answer) == grouped
    assert answer["IsTruncated"] is False
    assert answer.get("KeyCount", len(found) + len(grouped)) == len(found) + len(grouped)
    assert (answer["Name"], answer["MaxKeys"]) == (listed, 1000)
    assert unquote(answer["Prefix"]) == asked.get("Prefix", "")  # boto3 does not decode it in version 1
    assert answer.get("Delimiter") == (asked.get("Delimiter") or None)


@pytest.mark.parametrize("asked", [{}, {"Delimiter": "/"}, {"Prefix": "boo/"}, {"Delimiter": "a"}, {"Delimiter": "%"}],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_a_list_are_the_whole_list(s3, listing, listed, asked, size):
    whole = listing(Bucket=listed, **asked)
    name = "list_objects_v2" if "KeyCount" in whole else "list_objects"
    found, groups = [], []
    for page in s3.get_paginator(name).paginate(Bucket=listed, MaxKeys=size, **asked):
        assert len(keys(page)) + len(prefixes(page)) <= size
        found += keys(page)
        groups += prefixes(page)
    assert (found, groups) == (keys(whole), prefixes(whole))


def test_a_page_in_between_is_truncated(listing, listed):
    answer = listing(Bucket=listed, MaxKeys=2)
    assert (answer["IsTruncated"], answer["MaxKeys"], len(keys(answer))) == (True, 2, 2)


def test_a_page_of_no_keys_is_not_truncated(listing, listed):
    answer = listing(Bucket=listed, MaxKeys=0)
    assert (answer["IsTruncated"], answer["MaxKeys"], keys(answer)) == (False, 0, [])


def test_a_page_has_at_most_a_thousand_keys(listing, listed):
    assert listing(Bucket=listed, MaxKeys=5000)["MaxKeys"] == 1000


def test_an_empty_bucket_has_an_empty_list(listing, own_bucket):
    answer = listing(Bucket=own_bucket)
    assert (keys(answer), prefixes(answer), answer["IsTruncated"]) == ([], [], False)


@pytest.mark.parametrize("version", ["", "list-type=2&"])
@pytest.mark.parametrize(
    "query", ["max-keys=x", "max-keys=-1", "max-keys=", "max-keys=1.5", "max-keys=99999999999", "encoding-type=x"]
)
def test_a_parameter_of_a_list_outside_the_rules_is_refused(raw, listed, version, query):
    if query == "max-keys=":
        assert raw("GET", listed, query=version + query).status_code == 200  # as if it were not there
        return
    response = raw("GET", listed, query=version + query)
    assert verdict(response) == (400, "InvalidArgument")
    assert elements(response)["ArgumentName"] == query.partition("=")[0]


def test_an_unknown_version_of_a_list_is_refused(raw, listed):
    assert verdict(raw("GET", listed, query="list-type=3")) == (400, "InvalidArgument")


# --- version 1 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marker", "found"),
    [("boo/bar", ORDERED[2:]), ("", ORDERED), ("zzz", ["é"]), ("boo/bas", ORDERED[2:]), ("\n", ORDERED), ("éé", [])],
)
def test_a_list_begins_after_the_marker(s3, listed, marker, found):
    answer = s3.list_objects(Bucket=listed, Marker=marker)
    assert keys(answer) == found
    assert answer["Marker"] == marker


def test_the_next_marker_is_given_with_a_delimiter_only(s3, listed):
    assert "NextMarker" not in s3.list_objects(Bucket=listed, MaxKeys=1)
    assert s3.list_objects(Bucket=listed, MaxKeys=2, Delimiter="/")["NextMarker"] == "boo/"


def test_a_marker_that_is_a_group_skips_it(s3, listed):
    answer = s3.list_objects(Bucket=listed, Delimiter="/", Marker="boo/")
    assert (keys(answer), prefixes(answer)) == (["z+ %", "é"], ["cquux/", "dir/"])


def test_version_1_names_the_owner(s3, listed):
    assert s3.list_objects(Bucket=listed)["Contents"][0]["Owner"]["ID"]


# --- version 2 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "found"),
    [("boo/bar", ORDERED[2:]), ("zzz", ["é"]), ("boo/bas", ORDERED[2:]), ("\n", ORDERED), ("éé", [])],
)
def test_a_list_begins_after_start_after(s3, listed, after, found):
    answer = s3.list_objects_v2(Bucket=listed, StartAfter=after)
    assert keys(answer) == found
    assert answer["StartAfter"] == after


def test_a_token_wins_over_start_after(s3, listed):
    first = s3.list_objects_v2(Bucket=listed, MaxKeys=2, StartAfter="asdf")
    token = first["NextContinuationToken"]
    second = s3.list_objects_v2(Bucket=listed, ContinuationToken=token, StartAfter="asdf")
    assert keys(first) + keys(second) == ORDERED[1:]
    assert second["ContinuationToken"] == token


@pytest.mark.parametrize("token", ["", "garbage", "Zm9v"])
def test_a_token_that_s3_did_not_give_is_refused(s3, listed, token):
    assert refused(s3.list_objects_v2, Bucket=listed, ContinuationToken=token) == (400, "InvalidArgument")


@pytest.mark.parametrize(("asked", "owned"), [(True, True), (False, False), (None, False)])
def test_version_2_names_the_owner_if_it_is_asked_for(s3, listed, asked, owned):
    arguments = {} if asked is None else {"FetchOwner": asked}
    assert ("Owner" in s3.list_objects_v2(Bucket=listed, **arguments)["Contents"][0]) is owned


# --- encoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
def test_names_are_encoded_if_it_is_asked_for(s3, listed, version):
    asked = {"Bucket": listed, "EncodingType": "url"}  # then boto3 does not decode
    answer = getattr(s3, version)(**asked, Prefix="z+ ")
    assert (keys(answer), answer["Prefix"], answer["EncodingType"]) == (["z%2B%20%25"], "z%2B%20", "url")
    grouped = getattr(s3, version)(**asked, Delimiter=" ")
    assert (prefixes(grouped), grouped["Delimiter"]) == (["z%2B%20"], "%20")
    assert "%C3%A9" in keys(grouped)
    assert "boo/bar" in keys(grouped)


def test_markers_are_encoded_if_it_is_asked_for(s3, listed):
    asked = {"Bucket": listed, "EncodingType": "url"}
    assert s3.list_objects(**asked, Marker="z+ %")["Marker"] == "z%2B%20%25"
    assert s3.list_objects_v2(**asked, StartAfter="z+ %")["StartAfter"] == "z%2B%20%25"
    answer = s3.list_objects(**asked, Marker="dir/file", MaxKeys=1, Delimiter="#")
    assert answer["NextMarker"] == "z%2B%20%25"


def test_names_are_as_they_are_without_encoding(raw, listed):
    text = raw("GET", listed, query="list-type=2&prefix=z").content.decode()
    assert "<Key>z+ %</Key>" in text
    assert "EncodingType" not in text


def test_a_key_deleted_between_pages_is_skipped(s3, own_bucket):
    for name in "abcd":
        s3.put_object(Bucket=own_bucket, Key=name)
    token = s3.list_objects_v2(Bucket=own_bucket, MaxKeys=2)["NextContinuationToken"]
    for name in "bc":
        s3.delete_object(Bucket=own_bucket, Key=name)
    assert keys(s3.list_objects_v2(Bucket=own_bucket, ContinuationToken=token)) == ["d"]


def test_keys_with_characters_that_xml_cannot_have_are_listed_encoded(s3, own_bucket):
    s3.put_object(Bucket=own_bucket, Key="a\x01b")
    assert keys(s3.list_objects_v2(Bucket=own_bucket)) == ["a\x01b"]
