"""Pages of lists: filtered, sorted and cut as a List operation's parameters ask for it."""

from __future__ import annotations

from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.resources.call import Call


def page(call: Call, items: list[dict[str, Any]], member: str, name: str, order: str = "Descending") -> dict[str, Any]:
    """Return one page of a list.

    :param member: the answer's member that holds the list.
    :param name: the items' member that is their name.
    :param order: order by default. Training jobs are listed oldest first, all else newest first:
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html
    """
    asked = call.parameters
    items = [item for item in items if _is_wanted(item, name, asked)]
    by = {"Name": name, "Status": name.replace("Name", "Status")}.get(asked.get("SortBy", ""), "CreationTime")
    descending = asked.get("SortOrder", order) == "Descending"
    items.sort(key=lambda item: item.get(by, item["CreationTime"]), reverse=descending)
    start = _start(asked.get("NextToken"))
    end = start + int(asked.get("MaxResults", 10))
    answer: dict[str, Any] = {member: items[start:end]}
    if end < len(items):
        answer["NextToken"] = str(end)
    return answer


def _start(token: str | None) -> int:
    """Return the number of the first item of the page that a token represents."""
    if token and not token.isdecimal():
        raise ValidationException(f"Invalid NextToken: {token}")
    return int(token or 0)


def _is_wanted(item: dict[str, Any], name: str, asked: dict[str, Any]) -> bool:
    return asked.get("NameContains", "").lower() in item[name].lower() and all(
        asked.get(f"{time}After", float("-inf")) <= item[time] <= asked.get(f"{time}Before", float("inf"))
        for time in ("CreationTime", "LastModifiedTime")
        if time in item
    )
