"""Operations on tags: AddTags, ListTags, DeleteTags."""

from __future__ import annotations

from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.sagemaker.resources.call import Call, Operation
from harness.localaws.sagemaker.resources.kind import Tags
from harness.localaws.sagemaker.resources.tag_rules import canonical, with_tags


class TagOperations:
    """The operations on the tags of resources of every kind."""

    def __init__(self, tags: Tags) -> None:
        self._tags = tags

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name."""
        return {"AddTags": self.add, "ListTags": self.list_tags, "DeleteTags": self.delete}

    def add(self, call: Call) -> dict[str, Any]:
        """Add tags to a resource (AddTags)."""
        tags = self._of(call)
        tags.update(with_tags(tags, call.parameters["Tags"]))
        return self.list_tags(call)

    def list_tags(self, call: Call) -> dict[str, Any]:
        """Return a resource's tags (ListTags), which fit on one page: the shortest that can be asked for has 50."""
        if call.parameters.get("NextToken"):
            raise ValidationException(f"Invalid NextToken: {call.parameters['NextToken']}")
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._of(call).items()]}

    def delete(self, call: Call) -> dict[str, Any]:
        """Delete tags of a resource (DeleteTags)."""
        tags = self._of(call)
        for key in call.parameters["TagKeys"]:
            tags.pop(key, None)
        return {}

    def _of(self, call: Call) -> dict[str, str]:
        arn = canonical(call.parameters["ResourceArn"])
        if arn not in self._tags or arn.split(":")[3] != call.region:
            raise ValidationException(f"Could not find resource {call.parameters['ResourceArn']}.")
        return self._tags[arn]
