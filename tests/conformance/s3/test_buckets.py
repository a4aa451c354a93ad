"""Buckets and their regions.

Values are those of https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html, API_GetBucketLocation.html,
API_HeadBucket.html, API_DeleteBucket.html, API_ListBuckets.html, and of
https://docs.aws.amazon.com/AmazonS3/latest/API/UsingRouting.html for redirects. The answers to requests of another
region were observed: https://github.com/JuliaCloud/AWSS3.jl/issues/25, https://github.com/yanganto/s3rs/issues/18.
"""

import pytest

from tests.conformance.s3.service import elements, error_of, headers, refused, status, verdict

ELSEWHERE = {"us-east-1": "us-west-2"}
"""Another region of the same partition, by region."""


def located(region):
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


@pytest.fixture(scope="module")
def there(service):
    """Another region than the session's."""
    return ELSEWHERE.get(service.region, "us-east-1")


@pytest.fixture(scope="module")
def far(service, there):
    """A bucket in the other region, with an object."""
    name = service.make_bucket(region=there)
    service.client(region=there).put_object(Bucket=name, Key="k", Body=b"far")
    return name


@pytest.fixture(scope="module")
def at_home(service):
    """The regional endpoint of the session's region."""
    if service._endpoint:
        pytest.skip("needs the host names of AWS")
    return f"s3.{service.region}.amazonaws.com"


def test_a_new_bucket_is_listed_and_located(s3, service, bucket):
    assert bucket in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    expected = None if service.region == "us-east-1" else service.region
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == expected


def test_head_of_a_bucket_names_its_region(s3, service, bucket):
    answer = s3.head_bucket(Bucket=bucket)
    assert headers(answer)["x-amz-bucket-region"] == service.region


def test_lists_name_the_region_in_a_header(s3, service, bucket):
    assert headers(s3.list_objects_v2(Bucket=bucket))["x-amz-bucket-region"] == service.region


def test_buckets_can_be_listed_by_prefix_and_page(s3, service):
    names = sorted(service.make_bucket() for _ in range(3))
    prefix = names[0].rpartition("-")[0]
    first = s3.list_buckets(Prefix=prefix, MaxBuckets=2)
    assert len(first["Buckets"]) == 2
    found = [each["Name"] for each in first["Buckets"]]
    while token := first.get("ContinuationToken"):
        first = s3.list_buckets(Prefix=prefix, MaxBuckets=2, ContinuationToken=token)
        found += [each["Name"] for each in first["Buckets"]]
    assert found == sorted(found)
    assert set(names) <= set(found)


@pytest.mark.parametrize("pages", ["0", "10001", "x"])
def test_a_page_of_buckets_outside_the_rules_is_refused(raw, pages):
    assert verdict(raw("GET", "", query=f"max-buckets={pages}")) == (400, "InvalidArgument")


def test_a_bucket_with_an_object_cannot_be_deleted(s3, own_bucket):
    s3.put_object(Bucket=own_bucket, Key="k")
    assert refused(s3.delete_bucket, Bucket=own_bucket) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=own_bucket, Key="k")
    assert status(s3.delete_bucket(Bucket=own_bucket)) == 204
    assert refused(s3.head_bucket, Bucket=own_bucket) == (404, "404")


def test_an_own_bucket_made_twice_is_refused_except_in_us_east_1(service, far, there):
    home, away = service.client(), service.client(region=there)
    name = service.make_bucket()
    again = home.create_bucket if service.region == "us-east-1" else away.create_bucket
    if service.region == "us-east-1":
        assert status(again(Bucket=name)) == 200
    if there != "us-east-1":
        assert refused(away.create_bucket, Bucket=far, **located(there)) == (409, "BucketAlreadyOwnedByYou")


@pytest.mark.parametrize("place", ["mars-north-1", "us", "", "cn-north-1", "us-gov-west-1"])
def test_an_unknown_location_is_refused(s3, service, place):
    if service.region != "us-east-1":
        pytest.skip("other regions take their own name only")
    assert refused(s3.create_bucket, Bucket=service.name(), **located(place)) == (400, "InvalidLocationConstraint")


def test_a_regional_endpoint_takes_its_own_region_only(service, there):
    region = there if there != "us-east-1" else service.region
    client = service.client(region=region)
    other = "eu-west-1" if region != "eu-west-1" else "eu-west-2"
    wrong = (400, "IllegalLocationConstraintException")
    assert refused(client.create_bucket, Bucket=service.name(), **located(other)) == wrong
    assert refused(client.create_bucket, Bucket=service.name()) == wrong


def test_a_bucket_s_body_must_be_its_configuration(raw, service):
    assert verdict(raw("PUT", service.name(), body=b"<Other/>")) == (400, "MalformedXML")
    assert verdict(raw("PUT", service.name(), body=b"no xml")) == (400, "MalformedXML")


def test_another_regional_endpoint_redirects_and_names_the_right_one(raw, at_home, far, there):
    response = raw("GET", far, "k", host=at_home)
    assert verdict(response) == (301, "PermanentRedirect")
    assert response.headers["x-amz-bucket-region"] == there
    assert elements(response)["Bucket"] == far
    assert there in elements(response)["Endpoint"] or there == "us-east-1"
    assert "location" not in response.headers


@pytest.mark.parametrize("query", ["list-type=2", "location", "versioning", "uploads"])
def test_every_operation_on_a_bucket_elsewhere_is_redirected(raw, at_home, far, query):
    """GetBucketLocation alone answers from every region."""
    expected = 200 if query == "location" else 301
    assert raw("GET", far, query=query, host=at_home).status_code == expected


def test_head_of_a_bucket_elsewhere_is_redirected_without_a_body(raw, at_home, far, there):
    response = raw("HEAD", far, host=at_home)
    assert (response.status_code, response.content) == (301, b"")
    assert response.headers["x-amz-bucket-region"] == there


def test_a_signature_of_another_region_is_refused_with_the_right_one(raw, at_home, service, bucket, there):
    response = raw("GET", bucket, "k", host=at_home, region=there)
    assert verdict(response) == (400, "AuthorizationHeaderMalformed")
    assert elements(response)["Region"] == service.region
    assert f"the region '{there}' is wrong; expecting '{service.region}'" in elements(response)["Message"]


def test_the_global_endpoint_of_a_bucket_expects_the_signature_of_its_region(raw, at_home, far, there):
    if there == "us-east-1":
        pytest.skip("us-east-1 signs for the global endpoint")
    response = raw("GET", "", "k", host=f"{far}.s3.amazonaws.com", region="us-east-1")
    assert verdict(response) == (400, "AuthorizationHeaderMalformed")
    assert elements(response)["Region"] == there
    assert raw("GET", "", "k", host=f"{far}.s3.amazonaws.com", region=there).content == b"far"


def test_boto3_follows_the_redirect(s3, at_home, far):
    assert s3.get_object(Bucket=far, Key="k")["Body"].read() == b"far"
    assert s3.list_objects_v2(Bucket=far)["KeyCount"] == 1


def test_a_copy_may_read_from_another_region(s3, service, bucket, far, key):
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": far, "Key": "k"})
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"far"


def test_the_owner_of_a_bucket_can_be_expected(s3, bucket):
    assert refused(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="000000000000") == (403, "403")
    wrong = error_of(s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="000000000000")
    assert wrong["Error"]["Code"] == "AccessDenied"


def test_the_accelerated_host_serves_buckets_with_acceleration_only(raw, s3, service, own_bucket, at_home):
    """See https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html."""
    s3.put_object(Bucket=own_bucket, Key="k", Body=b"x")
    host = f"{own_bucket}.s3-accelerate.amazonaws.com"
    assert verdict(raw("GET", "", "k", host=host)) == (400, "InvalidRequest")
    s3.put_bucket_accelerate_configuration(Bucket=own_bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert raw("GET", "", "k", host=host).content == b"x"


@pytest.mark.parametrize("kind", ["s3.dualstack", "s3-fips", "s3"])
def test_a_bucket_is_served_at_the_other_names_of_its_region(raw, service, bucket, at_home, kind):
    assert raw("GET", "", "none", host=f"{bucket}.{kind}.{service.region}.amazonaws.com").status_code == 404
    assert raw("HEAD", bucket, host=f"{kind}.{service.region}.amazonaws.com").status_code == 200
