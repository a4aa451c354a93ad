"""Names that depend on a region or partition, and the halves of an S3 URI."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.session import Session

import harness
from harness import regions

PACKAGE = Path(harness.__file__).parent
SPELLED_ONCE = re.compile(r"^-sagemaker-$|sagemaker-sample-data|dkr\\?\.ecr|aws-us-gov|amazonaws\\?\.com\\?\.cn")
"""Names that only two modules may build, as they look in the source of a module."""
SPELLS = ("regions", "registries")


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1"])
def test_a_region_is_in_the_partition_that_botocore_gives(region):
    assert regions.partition(region) == Session().get_partition_for_region(region)


def test_a_host_is_in_a_domain_of_its_regions_partition():
    hosts = ["s3.us-east-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "s3.us-east-1.api.aws", "amazonaws.com"]
    assert [regions.is_in_domain(host, "us-east-1") for host in hosts] == [True, False, True, False]
    assert [regions.is_in_domain(host, "cn-north-1") for host in hosts] == [False, True, False, False]


def test_a_region_that_botocore_does_not_know_is_in_the_partition_that_its_name_fits():
    assert [regions.partition(f"{start}-north-9") for start in ("eu", "cn", "us-gov", "xx")] == [
        "aws",
        "aws-cn",
        "aws-us-gov",
        "aws",
    ]


def test_an_arn_names_its_partition():
    assert regions.partition_of("arn:aws-cn:iam::123456789012:role/training") == "aws-cn"


def test_a_region_has_the_domain_of_its_partition():
    found = {region: regions.domain(region) for region in ("us-east-1", "cn-north-1", "us-gov-west-1")}
    assert found == {
        "us-east-1": "amazonaws.com",
        "cn-north-1": "amazonaws.com.cn",
        "us-gov-west-1": "amazonaws.com",
    }
    assert all(re.fullmatch(regions.DOMAIN, domain) for domain in found.values())


def test_the_domains_are_those_of_all_partitions_with_ipv6():
    assert {"amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn"} <= regions.domains()


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
def test_an_s3_uri_has_a_bucket_and_a_key(scheme):
    assert regions.split_s3_uri(f"{scheme}://bucket/a/key.csv") == ("bucket", "a/key.csv")
    assert regions.split_s3_uri(f"{scheme}://bucket") == ("bucket", "")


@pytest.mark.parametrize(
    "host",
    ["s3.amazonaws.com", "s3-us-west-2.amazonaws.com", "s3.us-west-2.amazonaws.com", "s3-external-1.amazonaws.com",
     "s3.dualstack.us-west-2.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "s3-fips.us-gov-west-1.amazonaws.com",
     "s3-fips.dualstack.us-gov-west-1.amazonaws.com"],
)  # fmt: skip
def test_a_url_of_s3_has_a_bucket_and_a_key_in_its_path_or_its_host(host):
    for bucket in ("bucket", "with.dots", "my.s3"):
        assert regions.split_s3_uri(f"https://{host}/{bucket}/a/key.csv") == (bucket, "a/key.csv")
        assert regions.split_s3_uri(f"https://{bucket}.{host}/a/key.csv") == (bucket, "a/key.csv")
        assert regions.split_s3_uri(f"https://{bucket}.{host}") == (bucket, "")


@pytest.mark.parametrize(
    "url",
    ["https://example.com/bucket/key", "https://s3.amazonaws.com", "https://s3.amazonaws.com.evil.org/bucket/key",
     "https://bucket.s3.amazonaws.org/key", "https://bucket.ec2.us-east-1.amazonaws.com/key", "https:///bucket/key"],
)  # fmt: skip
def test_a_url_of_another_host_names_no_bucket(url):
    with pytest.raises(ValueError, match="names no bucket of S3; write s3://"):
        regions.split_s3_uri(url)


def test_a_key_may_look_like_a_uri():
    assert regions.split_s3_uri("s3://bucket/s3://other/key") == ("bucket", "s3://other/key")


def test_only_the_sample_bucket_of_a_region_names_one():
    assert regions.region_of_sample_bucket(regions.sample_bucket("cn-north-1")) == "cn-north-1"
    assert regions.region_of_sample_bucket("sagemaker-sample-data-of-mine") is None
    assert regions.region_of_sample_bucket(f"my-{regions.sample_bucket('us-east-1')}") is None


def test_the_bucket_of_the_sdks_has_the_account_and_the_region_in_its_name():
    assert regions.sdk_bucket("123456789012", "eu-west-1") == "123456789012-sagemaker-eu-west-1"


def test_importing_the_module_does_not_import_botocore():
    code = "import harness.regions, sys; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def strings_of(module):
    """Return the strings of a module's code, without its docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in found if node not in documentation]


def test_no_other_module_spells_a_bucket_an_image_or_a_domain():
    others = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem not in SPELLS]
    spelled = {str(path): [text for text in strings_of(path) if SPELLED_ONCE.search(text)] for path in others}
    assert {path: texts for path, texts in spelled.items() if texts} == {}
    assert all(any(map(SPELLED_ONCE.search, strings_of(PACKAGE / f"{name}.py"))) for name in SPELLS)
