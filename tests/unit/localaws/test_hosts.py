"""Host names that the local AWS emulates."""

import pytest

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
     "bucket.s3.us-east-1xamazonaws.com", "169.254.169.254", "metadata.google.internal", "s3.amazonaws.com\n"],
)  # fmt: skip
def test_every_other_host_is_not_emulated(name):
    assert parse(name) is None
