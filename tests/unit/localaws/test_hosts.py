"""Host names that the local AWS emulates."""

from urllib.parse import urlsplit

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import create_loader

from harness.localaws.http.hosts import SERVICES, Host, parse

EMULATED = {
    "s3.amazonaws.com": Host("s3", None, None),
    "s3.us-east-1.amazonaws.com": Host("s3", "us-east-1", None),
    "s3-eu-west-1.amazonaws.com": Host("s3", "eu-west-1", None),
    "bucket.s3.amazonaws.com": Host("s3", None, "bucket"),
    "my.dotted.bucket.s3.eu-west-1.amazonaws.com": Host("s3", "eu-west-1", "my.dotted.bucket"),
    "bucket.s3.dualstack.us-west-2.amazonaws.com": Host("s3", "us-west-2", "bucket"),
    "s3.s3.us-west-2.amazonaws.com": Host("s3", "us-west-2", "s3"),
    "bucket.s3.cn-north-1.amazonaws.com.cn": Host("s3", "cn-north-1", "bucket"),
    "bucket.s3-fips.us-gov-west-1.amazonaws.com": Host("s3", "us-gov-west-1", "bucket"),
    "bucket.s3-fips.dualstack.us-east-1.amazonaws.com": Host("s3", "us-east-1", "bucket"),
    "s3-external-1.amazonaws.com": Host("s3", "us-east-1", None),
    "bucket.s3-accelerate.amazonaws.com": Host("s3", None, "bucket", accelerated=True),
    "bucket.s3-accelerate.dualstack.amazonaws.com": Host("s3", None, "bucket", accelerated=True),
    "api.sagemaker.us-east-1.amazonaws.com": Host("sagemaker", "us-east-1"),
    "api.sagemaker.cn-northwest-1.amazonaws.com.cn": Host("sagemaker", "cn-northwest-1"),
    "api.sagemaker.us-gov-east-1.amazonaws.com": Host("sagemaker", "us-gov-east-1"),
    "runtime.sagemaker.ap-southeast-2.amazonaws.com": Host("sagemaker-runtime", "ap-southeast-2"),
    "runtime.sagemaker-fips.us-gov-west-1.amazonaws.com": Host("sagemaker-runtime", "us-gov-west-1"),
    "sts.amazonaws.com": Host("sts", None),
    "sts.us-gov-west-1.amazonaws.com": Host("sts", "us-gov-west-1"),
    "sts.cn-north-1.amazonaws.com.cn": Host("sts", "cn-north-1"),
    "iam.amazonaws.com": Host("iam", None),
    "iam.cn-north-1.amazonaws.com.cn": Host("iam", "cn-north-1"),
    "iam.us-gov.amazonaws.com": Host("iam", None),
    "logs.eu-central-1.amazonaws.com": Host("logs", "eu-central-1"),
    "servicequotas.us-east-1.amazonaws.com": Host("service-quotas", "us-east-1"),
    "api.pricing.us-east-1.amazonaws.com": Host("pricing", "us-east-1"),
    "tagging.eu-west-1.amazonaws.com": Host("resourcegroupstaggingapi", "eu-west-1"),
    "STS.AmazonAWS.com": Host("sts", None),
}


@pytest.mark.parametrize("name", EMULATED)
def test_a_host_name_has_a_service_a_region_and_a_bucket(name):
    assert parse(name) == EMULATED[name]


def test_every_service_is_among_the_examples():
    assert {host.service for host in EMULATED.values()} == set(SERVICES)


@pytest.mark.parametrize(
    "name",
    ["", "example.com", "amazonaws.com", "ec2.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com",
     "s3.amazonaws.com.evil.org", "evil-s3.amazonaws.com.org", "xs3.amazonaws.com", "s3.us-east-1.amazonaws.org",
     "api.sagemaker.us-east-1.amazonaws.com.cn.x", "api.sagemaker.amazonaws.com", "s3_amazonaws_com",
     "s3.cn-north-1.amazonaws.com", "s3.us-east-1.amazonaws.com.cn", "s3.amazonaws.com.cn", "sts.us-east-1.api.aws.cn",
     "bucket.s3-website-us-east-1.amazonaws.com", "bucket.s3-website.eu-central-1.amazonaws.com",
     "123456789012.s3-control.us-west-2.amazonaws.com", "ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com",
     "b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com", "s3express-control.us-west-2.amazonaws.com",
     "x.accesspoint.s3-global.amazonaws.com", "s3-accelerate.amazonaws.com", "under_score.s3.amazonaws.com",
     "bucket.s3.us-east-1xamazonaws.com", "169.254.169.254", "metadata.google.internal", "s3.amazonaws.com\n"],
)  # fmt: skip
def test_every_other_host_is_not_emulated(name):
    assert parse(name) is None


@pytest.fixture(scope="module", params=SERVICES)
def endpoints(request):
    """A service, and botocore's rules for its endpoints."""
    loader = create_loader()
    rules = loader.load_service_model(request.param, "endpoint-rule-set-1")
    return request.param, EndpointProvider(rules, loader.load_data("partitions"))


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize(("fips", "dual"), [(False, False), (False, True), (True, False), (True, True)])
def test_every_endpoint_that_boto3_can_choose_is_emulated(endpoints, region, fips, dual):
    service, rules = endpoints
    fips = fips and (service, region) != ("s3", "cn-north-1")  # which does not exist
    url = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
    host = parse(urlsplit(url).hostname)
    assert host, url
    assert (host.service, host.region) in ((service, region), (service, None)), url
