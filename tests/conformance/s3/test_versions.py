"""Versions of objects.

Values are those of https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html, DeleteMarker.html,
DeletingObjectsfromVersioningSuspendedBuckets.html, AddingObjectstoVersionSuspendedBuckets.html and of
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html, API_PutBucketVersioning.html.
"""

import pytest

from tests.conformance.s3.service import body_of, error_of, headers, refused, status, verdict


@pytest.fixture
def two(s3, versioned, key):
    """A key with two versions: the arguments that name it, and their ids."""
    where = {"Bucket": versioned, "Key": key}
    return where, [s3.put_object(**where, Body=body)["VersionId"] for body in (b"one", b"two")]


@pytest.fixture
def suspended(service, s3):
    """A bucket whose versions are suspended, with an object of before, of during and of after versioning."""
    name = service.make_bucket()
    s3.put_object(Bucket=name, Key="plain", Body=b"plain")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="k", Body=b"versioned")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    return name


def versions(s3, bucket, **asked):
    """Return the versions of a bucket as pairs of key and id, and its delete markers alike."""
    answer = s3.list_object_versions(Bucket=bucket, **asked)
    return [
        [(each["Key"], each["VersionId"]) for each in answer.get(name, [])] for name in ("Versions", "DeleteMarkers")
    ]


def test_a_bucket_has_no_versioning_state_until_it_is_set(s3, own_bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=own_bucket)
    for state in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=own_bucket, VersioningConfiguration={"Status": state})
        assert s3.get_bucket_versioning(Bucket=own_bucket)["Status"] == state


@pytest.mark.parametrize("state", ["Disabled", "enabled", "x", ""])
def test_an_unknown_versioning_state_is_refused(raw, own_bucket, state):
    body = f"<VersioningConfiguration><Status>{state}</Status></VersioningConfiguration>".encode()
    assert verdict(raw("PUT", own_bucket, query="versioning", body=body)) == (400, "MalformedXML")


def test_a_versioning_configuration_without_a_state_is_refused(raw, own_bucket):
    response = raw("PUT", own_bucket, query="versioning", body=b"<VersioningConfiguration/>")
    assert verdict(response) == (400, "IllegalVersioningConfigurationException")


def test_each_put_makes_a_version_that_can_be_read(s3, two):
    where, ids = two
    assert len(set(ids)) == 2
    assert body_of(s3, **where) == b"two"
    assert [body_of(s3, **where, VersionId=each) for each in ids] == [b"one", b"two"]
    assert s3.head_object(**where, VersionId=ids[0])["ContentLength"] == 3
    assert s3.get_object(**where)["VersionId"] == ids[1]


def test_an_object_of_a_bucket_without_versions_names_none(s3, stored):
    for answer in (s3.put_object(**stored), s3.get_object(**stored), s3.head_object(**stored)):
        assert "VersionId" not in answer
    assert versions(s3, stored["Bucket"], Prefix=stored["Key"])[0] == [(stored["Key"], "null")]
    assert body_of(s3, **stored, VersionId="null") == b""


def test_a_deletion_makes_a_marker(s3, two):
    where, ids = two
    answer = s3.delete_object(**where)
    assert (status(answer), answer["DeleteMarker"]) == (204, True)
    assert answer["VersionId"] not in ids
    missing = error_of(s3.get_object, **where)
    assert missing["Error"]["Code"] == "NoSuchKey"
    assert headers(missing)["x-amz-delete-marker"] == "true"
    assert headers(missing)["x-amz-version-id"] == answer["VersionId"]
    assert [body_of(s3, **where, VersionId=each) for each in ids] == [b"one", b"two"]


def test_head_of_a_key_with_a_marker_is_404_and_says_why(s3, two):
    where, _ = two
    s3.delete_object(**where)
    answer = error_of(s3.head_object, **where)
    assert (status(answer), headers(answer)["x-amz-delete-marker"]) == (404, "true")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_marker_itself_cannot_be_read(raw, s3, two, method):
    where, _ = two
    marker = s3.delete_object(**where)["VersionId"]
    response = raw(method, where["Bucket"], where["Key"], f"versionId={marker}")
    assert response.status_code == 405
    assert response.headers["x-amz-delete-marker"] == "true"
    assert response.headers["allow"] == "DELETE"
    assert "last-modified" in response.headers
    assert method == "HEAD" or verdict(response)[1] == "MethodNotAllowed"


def test_a_key_with_a_marker_is_in_no_list_of_objects(s3, two):
    where, _ = two
    s3.delete_object(**where)
    asked = {"Bucket": where["Bucket"], "Prefix": where["Key"]}
    for answer in (s3.list_objects_v2(**asked), s3.list_objects(**asked)):
        assert "Contents" not in answer


def test_a_group_of_which_all_keys_are_deleted_is_in_no_list(s3, versioned, key):
    s3.put_object(Bucket=versioned, Key=f"{key}/below", Body=b"x")
    s3.delete_object(Bucket=versioned, Key=f"{key}/below")
    assert "CommonPrefixes" not in s3.list_objects_v2(Bucket=versioned, Prefix=key, Delimiter="/")


def test_deleting_a_marker_brings_the_object_back(s3, two):
    where, _ = two
    marker = s3.delete_object(**where)["VersionId"]
    answer = s3.delete_object(**where, VersionId=marker)
    assert (answer["DeleteMarker"], answer["VersionId"]) == (True, marker)
    assert body_of(s3, **where) == b"two"


def test_markers_stack(s3, two):
    where, ids = two
    markers = [s3.delete_object(**where)["VersionId"] for _ in range(3)]
    found, deleted = versions(s3, where["Bucket"], Prefix=where["Key"])
    assert [each for _, each in found] == ids[::-1]
    assert [each for _, each in deleted] == markers[::-1]


def test_deleting_a_key_that_never_was_makes_a_marker(s3, versioned, key):
    answer = s3.delete_object(Bucket=versioned, Key=key)
    assert answer["DeleteMarker"] is True
    assert versions(s3, versioned, Prefix=key) == [[], [(key, answer["VersionId"])]]


def test_deleting_a_version_leaves_the_others(s3, two):
    where, ids = two
    answer = s3.delete_object(**where, VersionId=ids[1])
    assert answer["VersionId"] == ids[1]
    assert "DeleteMarker" not in answer
    assert body_of(s3, **where) == b"one"
    assert refused(s3.get_object, **where, VersionId=ids[1]) == (404, "NoSuchVersion")
    s3.delete_object(**where, VersionId=ids[0])
    assert refused(s3.get_object, **where) == (404, "NoSuchKey")


def test_deleting_a_version_twice_succeeds(s3, two):
    where, ids = two
    for _ in range(2):
        assert status(s3.delete_object(**where, VersionId=ids[0])) == 204
    assert body_of(s3, **where) == b"two"


@pytest.mark.parametrize("version", ["none", "0", "a b"])
@pytest.mark.parametrize("operation", ["get_object", "delete_object", "get_object_tagging"])
def test_an_id_that_is_none_is_refused(s3, two, operation, version):
    assert refused(getattr(s3, operation), **two[0], VersionId=version) == (400, "InvalidArgument")


def test_head_of_an_id_that_is_none_is_refused(s3, two):
    assert refused(s3.head_object, **two[0], VersionId="none")[0] == 400


def test_an_empty_id_is_refused(raw, two):
    assert verdict(raw("GET", two[0]["Bucket"], two[0]["Key"], "versionId=")) == (400, "InvalidArgument")


def test_the_null_version_does_not_exist_where_all_have_ids(s3, two):
    assert refused(s3.get_object, **two[0], VersionId="null") == (404, "NoSuchVersion")


def test_a_put_over_a_marker_makes_the_object_again(s3, two):
    where, ids = two
    marker = s3.delete_object(**where)["VersionId"]
    new = s3.put_object(**where, Body=b"three")["VersionId"]
    assert body_of(s3, **where) == b"three"
    assert versions(s3, where["Bucket"], Prefix=where["Key"]) == [
        [(where["Key"], each) for each in (new, *ids[::-1])],
        [(where["Key"], marker)],
    ]


def test_a_bucket_with_versions_or_markers_left_cannot_be_deleted(s3, service):
    name = service.make_bucket(versioning="Enabled")
    first = s3.put_object(Bucket=name, Key="k")["VersionId"]
    marker = s3.delete_object(Bucket=name, Key="k")["VersionId"]
    for version in (first, marker):
        assert refused(s3.delete_bucket, Bucket=name) == (409, "BucketNotEmpty")
        s3.delete_object(Bucket=name, Key="k", VersionId=version)
    s3.delete_bucket(Bucket=name)


# --- copies and uploads -----------------------------------------------------------------------------------------------


def test_a_version_can_be_copied(s3, two):
    where, ids = two
    answer = s3.copy_object(**where, CopySource={**where, "VersionId": ids[0]})
    assert answer["CopySourceVersionId"] == ids[0]
    assert answer["VersionId"] not in ids
    assert body_of(s3, **where) == b"one"


def test_a_marker_is_no_source_of_a_copy(s3, two):
    where, _ = two
    marker = s3.delete_object(**where)["VersionId"]
    target = {**where, "Key": where["Key"] + "-copy"}
    assert refused(s3.copy_object, **target, CopySource=where) == (404, "NoSuchKey")
    assert refused(s3.copy_object, **target, CopySource={**where, "VersionId": marker}) == (400, "InvalidRequest")


def test_a_version_that_does_not_exist_is_no_source_of_a_copy(s3, two):
    where, ids = two
    s3.delete_object(**where, VersionId=ids[0])
    source = {**where, "VersionId": ids[0]}
    assert refused(s3.copy_object, **where, CopySource=source) == (404, "NoSuchVersion")


def test_completing_an_upload_makes_a_version(s3, two):
    where, ids = two
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"parts")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    answer = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert answer["VersionId"] not in ids
    assert body_of(s3, **where, VersionId=answer["VersionId"]) == b"parts"
    assert body_of(s3, **where, VersionId=ids[1]) == b"two"


def test_a_part_can_be_copied_from_a_version(s3, two, key):
    where, ids = two
    upload = {**where, "Key": f"{key}-copy"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    asked = {**upload, "PartNumber": 1, "CopySource": {**where, "VersionId": ids[0]}}
    answer = s3.upload_part_copy(**asked)
    assert answer["CopySourceVersionId"] == ids[0]
    parts = {"Parts": [{"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert body_of(s3, Bucket=where["Bucket"], Key=upload["Key"]) == b"one"


def test_tags_belong_to_a_version(s3, two):
    where, ids = two
    s3.put_object_tagging(**where, VersionId=ids[0], Tagging={"TagSet": [{"Key": "v", "Value": "1"}]})
    assert s3.get_object_tagging(**where)["TagSet"] == []
    answer = s3.get_object_tagging(**where, VersionId=ids[0])
    assert (answer["TagSet"], answer["VersionId"]) == ([{"Key": "v", "Value": "1"}], ids[0])


# --- suspended --------------------------------------------------------------------------------------------------------


def test_a_put_while_suspended_is_the_null_version_and_replaces_the_last_one(s3, suspended):
    for body in (b"one", b"two"):
        s3.put_object(Bucket=suspended, Key="k", Body=body)
    found, _ = versions(s3, suspended, Prefix="k")
    assert len(found) == 2
    assert found[0] == ("k", "null")
    assert body_of(s3, Bucket=suspended, Key="k") == b"two"
    assert body_of(s3, Bucket=suspended, Key="k", VersionId=found[1][1]) == b"versioned"


def test_an_object_of_before_versioning_is_the_null_version(s3, suspended):
    assert versions(s3, suspended, Prefix="plain")[0] == [("plain", "null")]
    s3.put_object(Bucket=suspended, Key="plain", Body=b"new")
    assert versions(s3, suspended, Prefix="plain")[0] == [("plain", "null")]
    assert body_of(s3, Bucket=suspended, Key="plain", VersionId="null") == b"new"


def test_a_deletion_while_suspended_replaces_the_null_version_by_a_marker(s3, suspended):
    s3.put_object(Bucket=suspended, Key="k", Body=b"null")
    answer = s3.delete_object(Bucket=suspended, Key="k")
    assert (answer["DeleteMarker"], answer["VersionId"]) == (True, "null")
    found, deleted = versions(s3, suspended, Prefix="k")
    assert (len(found), deleted) == (1, [("k", "null")])
    assert found[0][1] != "null"
    s3.delete_object(Bucket=suspended, Key="k", VersionId="null")
    assert body_of(s3, Bucket=suspended, Key="k") == b"versioned"


def test_a_second_deletion_while_suspended_leaves_one_marker(s3, suspended):
    for _ in range(2):
        s3.delete_object(Bucket=suspended, Key="plain")
    assert versions(s3, suspended, Prefix="plain") == [[], [("plain", "null")]]


def test_a_copy_while_suspended_is_the_null_version(s3, suspended):
    s3.copy_object(Bucket=suspended, Key="k", CopySource={"Bucket": suspended, "Key": "plain"})
    assert body_of(s3, Bucket=suspended, Key="k", VersionId="null") == b"plain"


def test_the_null_version_stays_when_versions_are_enabled_again(s3, suspended):
    s3.put_object(Bucket=suspended, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=suspended, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=suspended, Key="k", Body=b"last")
    assert len(versions(s3, suspended, Prefix="k")[0]) == 3
    assert body_of(s3, Bucket=suspended, Key="k", VersionId="null") == b"null"


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(service, s3):
    """A bucket with versions and markers, and all of them in order: key, id, whether it is a marker."""
    name, made = service.make_bucket(versioning="Enabled"), []
    for key in ("a", "dir/x", "dir/y", "z"):
        own = [
            (key, s3.put_object(Bucket=name, Key=key, Body=b"%d" % number)["VersionId"], False) for number in range(2)
        ]
        if key in ("dir/x", "z"):
            own.append((key, s3.delete_object(Bucket=name, Key=key)["VersionId"], True))
        made += own[::-1]
    return name, made


def entries(answer):
    both = [(each, False) for each in answer.get("Versions", [])] + [(e, True) for e in answer.get("DeleteMarkers", [])]
    return [(each["Key"], each["VersionId"], marker) for each, marker in both]


def test_all_versions_and_markers_are_listed_newest_first(s3, history):
    answer = s3.list_object_versions(Bucket=history[0])
    assert sorted(entries(answer)) == sorted(history[1])
    assert [entry for entry in entries(answer) if not entry[2]] == [entry for entry in history[1] if not entry[2]]
    latest = [(each["Key"], each["VersionId"]) for each in answer["Versions"] if each["IsLatest"]]
    assert latest == [history[1][0][:2], history[1][5][:2]]
    assert [each["IsLatest"] for each in answer["DeleteMarkers"]] == [True, True]
    assert (answer["IsTruncated"], answer["MaxKeys"], answer["Name"]) == (False, 1000, history[0])


def test_a_listed_version_has_size_etag_and_owner(s3, history):
    first = s3.list_object_versions(Bucket=history[0])["Versions"][0]
    assert (first["Size"], first["StorageClass"]) == (1, "STANDARD")
    assert first["ETag"] == s3.head_object(Bucket=history[0], Key="a")["ETag"]
    assert first["Owner"]["ID"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("asked", [{}, {"Prefix": "dir/"}, {"Delimiter": "/"}], ids=str)
def test_pages_of_versions_are_the_whole_list(s3, history, size, asked):
    whole = s3.list_object_versions(Bucket=history[0], **asked)
    found, groups, marker = [], [], {}
    for _ in range(30):
        page = s3.list_object_versions(Bucket=history[0], MaxKeys=size, **asked, **marker)
        part = entries(page)
        assert len(part) + len(page.get("CommonPrefixes", [])) <= size
        found += part
        groups += page.get("CommonPrefixes", [])
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            marker["VersionIdMarker"] = page["NextVersionIdMarker"]
    assert sorted(found) == sorted(entries(whole))
    assert groups == whole.get("CommonPrefixes", [])


def test_versions_can_be_grouped(s3, history):
    answer = s3.list_object_versions(Bucket=history[0], Delimiter="/")
    assert answer["CommonPrefixes"] == [{"Prefix": "dir/"}]
    assert {key for key, _, _ in entries(answer)} == {"a", "z"}


def test_a_key_marker_skips_the_key(s3, history):
    found = entries(s3.list_object_versions(Bucket=history[0], KeyMarker="dir/x"))
    assert {key for key, _, _ in found} == {"dir/y", "z"}


def test_a_version_marker_continues_within_the_key(s3, history):
    name, made = history
    found = entries(s3.list_object_versions(Bucket=name, KeyMarker="a", VersionIdMarker=made[0][1], Prefix="a"))
    assert found == [made[1]]


@pytest.mark.parametrize(
    "query", ["version-id-marker=x", "key-marker=a&version-id-marker=", "max-keys=-1", "max-keys=x"]
)
def test_a_parameter_of_a_list_of_versions_outside_the_rules_is_refused(raw, history, query):
    assert verdict(raw("GET", history[0], query=f"versions&{query}")) == (400, "InvalidArgument")


def test_names_of_versions_are_encoded_if_it_is_asked_for(s3, versioned):
    s3.put_object(Bucket=versioned, Key="v +")
    answer = s3.list_object_versions(Bucket=versioned, Prefix="v ", EncodingType="url")
    assert (answer["Versions"][0]["Key"], answer["Prefix"]) == ("v%20%2B", "v%20")
