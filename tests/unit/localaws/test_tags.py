"""Tags of resources: their rules, and the ARNs that they are found by."""

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.resources.call import Call
from harness.localaws.sagemaker.resources.tag_rules import with_tags
from harness.localaws.sagemaker.resources.tags import TagOperations

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/mymodel"


def tag(key, value="v"):
    return {"Key": key, "Value": value}


@pytest.fixture
def tags():
    return {ARN: {"team": "blue"}}


@pytest.fixture
def operations(tags):
    return TagOperations(tags).operations()


def call(arn, region="us-east-1", **more):
    return Call({"ResourceArn": arn, **more}, region, "123456789012")


def test_a_resource_is_found_whatever_the_case_of_its_name(operations, tags):
    arn = ARN.replace("mymodel", "MyModel")
    assert operations["ListTags"](call(arn)) == {"Tags": [tag("team", "blue")]}
    answer = operations["AddTags"](call(arn, Tags=[tag("team", "red"), tag("b")]))
    assert answer == {"Tags": [tag("team", "red"), tag("b")]}
    operations["DeleteTags"](call(arn, TagKeys=["team"]))
    assert tags == {ARN: {"b": "v"}}


@pytest.mark.parametrize(
    ("arn", "region"), [(ARN, "eu-west-1"), (ARN.replace("mymodel", "other"), "us-east-1"),
                        (ARN.replace(":model/", ":MODEL/"), "us-east-1")],
)  # fmt: skip
def test_a_resource_of_another_name_kind_or_region_is_not_found(operations, arn, region):
    with pytest.raises(ValidationException, match=f"Could not find resource {arn}."):
        operations["ListTags"](call(arn, region))


def test_tags_fit_on_one_page(operations):
    with pytest.raises(ValidationException, match="Invalid NextToken: x"):
        operations["ListTags"](call(ARN, NextToken="x"))


def test_a_resource_has_at_most_fifty_tags(operations, tags):
    operations["AddTags"](call(ARN, Tags=[tag(f"k{number}") for number in range(49)]))
    assert with_tags(tags[ARN], [tag("team", "red")])["team"] == "red"
    with pytest.raises(ValidationException, match="at most 50 tags, not 51"):
        operations["AddTags"](call(ARN, Tags=[tag("one-more")]))
    assert len(tags[ARN]) == 50


@pytest.mark.parametrize(
    ("added", "message"),
    [([tag("a"), tag("b"), tag("a")], "Tag keys must be unique for each resource. Duplicates: a"),
     ([tag("aws:x")], "prefix aws: are reserved for AWS: aws:x"), ([tag("AWS:x")], "reserved for AWS: AWS:x")],
)  # fmt: skip
def test_duplicate_and_reserved_keys_are_refused(added, message):
    with pytest.raises(ValidationException, match=message):
        with_tags({}, added)
