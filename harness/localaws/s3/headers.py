"""Headers and query parameters of S3's requests, checked against the register before anything else.

Each operation's page lists its own: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
"""

from __future__ import annotations

from functools import cache

from harness.localaws.api_models import service_model
from harness.localaws.exceptions import NotImplementedByS3
from harness.localaws.http.request import Request
from harness.localaws.register.s3_members import S3


def check(request: Request) -> None:
    """Raise :class:`NotImplementedByS3` if a request has a header or a parameter that is refused."""
    operation = request.operation
    if operation not in S3:
        return
    given = {}
    for name, member in _members(operation).items():
        value = request.headers.get(name) if name in request.headers else request.query.get(name, [None])[0]
        if value is not None:
            given[member] = value
    if refused := list(S3[operation].refusals(given)):
        wire = {member: name for name, member in _members(operation).items()}
        found = "; ".join(f"{path} ({wire[path.partition(' ')[0]]}): {reason}" for path, reason in refused)
        raise NotImplementedByS3(f"The local AWS does not emulate {found}.")


@cache
def _members(operation: str) -> dict[str, str]:
    """Return the members of an operation that are headers, in lower case, or parameters, by the name in a request."""
    shape = service_model("s3").operation_model(operation).input_shape
    places = {name: member.serialization for name, member in shape.members.items()}
    return {
        place["name"].lower() if place["location"] == "header" else place["name"]: name
        for name, place in places.items()
        if place.get("location") in ("header", "querystring")
    }
