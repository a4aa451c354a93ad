"""Rules of tags, and the ARNs that they are kept by.

Documentation only: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html (50 tags for
each resource, keys with the prefix ``aws:`` in whatever case are reserved) and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html (keys are unique for each resource).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.localaws.exceptions import ValidationException

MOST_TAGS = 50
_RESERVED = "aws:"


def with_tags(existing: Mapping[str, str], added: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the tags of a resource after others were added or changed.

    :param added: Tag objects of a request.
    :raises ValidationException: they break a rule.
    """
    tags = list(added)
    keys = [tag["Key"] for tag in tags]
    if duplicates := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValidationException(f"Tag keys must be unique for each resource. Duplicates: {', '.join(duplicates)}")
    if reserved := [key for key in keys if key.lower().startswith(_RESERVED)]:
        raise ValidationException(f"Tag keys with the prefix {_RESERVED} are reserved for AWS: {', '.join(reserved)}")
    found = {**existing, **{tag["Key"]: tag["Value"] for tag in tags}}
    if len(found) > MOST_TAGS:
        raise ValidationException(f"A resource can have at most {MOST_TAGS} tags, not {len(found)}.")
    return found


def canonical(arn: str) -> str:
    """Return an ARN as SageMaker spells it: the name in lower case. The resource is found by any other case too."""
    kind, slash, name = arn.partition("/")
    return f"{kind}{slash}{name.lower()}"
