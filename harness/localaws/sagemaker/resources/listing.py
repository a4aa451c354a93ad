"""Pages of lists: filtered, sorted and cut as a List operation's parameters ask for it."""

from __future__ import annotations

from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.paging import page_of
from harness.localaws.sagemaker.resources.call import Call


def page(call: Call, items: list[dict[str, Any]], member: str, name: str, order: str = "Descending") -> dict[str, Any]:
    """Return one page of a list.

    :param member: the answer's member that holds the list.
    :param name: the items' member that is their name.
    :param order: order by default. Training jobs are listed oldest first, all else newest first:
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html
    """
    asked = call.parameters
    by = {"Name": name, "Status": name.replace("Name", "Status")}.get(asked.get("SortBy", ""), "CreationTime")
    found, token = page_of(
        [item for item in items if _is_wanted(item, name, asked)],
        lambda item: (item.get(by, item["CreationTime"]), item[name]),
        asked,
        scope=f"{member} {call.region}",
        size=10,
        descending=asked.get("SortOrder", order) == "Descending",
        error=ValidationException,
    )
    return {member: found} | ({"NextToken": token} if token else {})


def _is_wanted(item: dict[str, Any], name: str, asked: dict[str, Any]) -> bool:
    return asked.get("NameContains", "").lower() in item[name].lower() and all(
        asked.get(f"{time}After", float("-inf")) <= item[time] <= asked.get(f"{time}Before", float("inf"))
        for time in ("CreationTime", "LastModifiedTime")
        if time in item
    )
