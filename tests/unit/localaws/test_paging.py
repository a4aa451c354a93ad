"""Pages of lists: what is added or deleted between two pages neither repeats nor skips others."""

import pytest

from harness.localaws.exceptions import ValidationException
from harness.localaws.paging import page_of
from harness.localaws.quotas import InvalidPaginationToken, Quotas
from harness.localaws.sagemaker.resources.call import Call
from harness.localaws.sagemaker.resources.listing import page

NAMES = [f"m{number}" for number in range(7)]


def listed(items, size, token=None, descending=False, **query):
    parameters = {"MaxResults": size, **query} | ({"NextToken": token} if token else {})
    return page_of(
        items, lambda item: (item, item), parameters, scope="l", size=10, descending=descending,
        error=ValidationException,
    )  # fmt: skip


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
def test_the_usual_clean_up_loop_deletes_everything(size, descending):
    left, token = set(NAMES), None
    while True:
        found, token = listed(left, size, token, descending)
        left -= set(found)
        if token is None:
            break
    assert left == set()


def test_items_added_between_two_pages_repeat_nothing():
    first, token = listed(NAMES, 3)
    second, token = listed(["a-new-one", *NAMES, "z"], 10, token)
    assert first + second == [*NAMES, "z"]


def test_a_token_survives_the_item_that_it_names():
    first, token = listed(NAMES, 3)
    assert listed([name for name in NAMES if name not in first], 10, token) == (NAMES[3:], None)


def test_a_token_belongs_to_its_query_and_not_to_the_size_of_a_page():
    _, token = listed(NAMES, 3, NameContains="m")
    assert listed(NAMES, 2, token, NameContains="m")[0] == NAMES[3:5]
    for other in ({}, {"NameContains": "n"}, {"NameContains": "m", "SortBy": "Name"}):
        with pytest.raises(ValidationException, match="Invalid NextToken: "):
            listed(NAMES, 3, token, **other)


@pytest.mark.parametrize("token", ["3", "x", "é", "[]", "WzFd", "bnVsbA==", "MTIz", "A" * 5000])
def test_anything_else_is_no_token(token):
    with pytest.raises(ValidationException, match="Invalid NextToken: "):
        listed(NAMES, 3, token)


def call(region="us-east-1", **parameters):
    return Call(parameters, region, "123456789012")


def test_models_of_one_moment_are_paged_by_name_and_a_token_holds_in_its_region():
    models = [{"ModelName": name, "CreationTime": 5.0} for name in NAMES]
    answer = page(call(MaxResults=4), models, "Models", "ModelName")
    assert [model["ModelName"] for model in answer["Models"]] == NAMES[:2:-1]
    rest = page(call(MaxResults=4, NextToken=answer["NextToken"]), models, "Models", "ModelName")
    assert [model["ModelName"] for model in rest["Models"]] == NAMES[2::-1]
    assert "NextToken" not in rest
    with pytest.raises(ValidationException, match="Invalid NextToken"):
        page(call("eu-west-1", NextToken=answer["NextToken"]), models, "Models", "ModelName")


def test_quotas_are_paged_and_a_wrong_token_has_the_error_of_their_service():
    quotas, found, token = Quotas("123456789012"), [], {}
    while True:
        answer = quotas.call("ListServiceQuotas", {"ServiceCode": "sagemaker", "MaxResults": 90} | token, "us-east-1")
        found += [quota["QuotaName"] for quota in answer["Quotas"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert found == sorted(set(found))
    with pytest.raises(InvalidPaginationToken):
        quotas.call("ListAWSDefaultServiceQuotas", {"ServiceCode": "sagemaker"} | token, "us-east-1")
