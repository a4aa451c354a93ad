"""Pages of lists. A token names the last item of its page and the query that it belongs to, not a number of items.

So items that are added or deleted between two pages neither repeat nor skip others, and the item that a token names may
be gone. Tokens are opaque, as AWS's are: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListModels.html
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from harness.localaws.exceptions import AWSError

Item = TypeVar("Item")
Position = tuple[Any, str]
"""Place of an item in the order of its list: the value that it is sorted by, and a name that no other item has."""
_OF_A_PAGE = {"NextToken", "MaxResults"}
_SECRET = secrets.token_bytes(16)
"""Key of the signatures of tokens, so that a token holds nothing that was not put into it here."""


def page_of(
    items: Iterable[Item],
    position: Callable[[Item], Position],
    parameters: Mapping[str, Any],
    *,
    scope: str,
    size: int,
    descending: bool = False,
    error: type[AWSError] = AWSError,
) -> tuple[list[Item], str | None]:
    """Return one page of a list in the order of ``position``, and the token of the next page if there is one.

    :param parameters: of the request. ``MaxResults`` may differ from page to page, all other members may not.
    :param scope: the list and the region, which a token belongs to as well.
    :param size: of a page, if the request has no ``MaxResults``.
    :param error: raised if the token is not one of this query.
    """
    query = json.dumps([scope, {name: parameters[name] for name in parameters.keys() - _OF_A_PAGE}], sort_keys=True)
    token = parameters.get("NextToken")
    items = sorted(items, key=position, reverse=descending)
    if token:
        last = _read(token, query, error)
        items = [item for item in items if (position(item) < last if descending else position(item) > last)]
    size = int(parameters.get("MaxResults") or size)
    more = len(items) > size
    return items[:size], _token(query, position(items[size - 1])) if more else None


def _signature(query: str, last: Position) -> str:
    return hmac.new(_SECRET, json.dumps([query, *last]).encode(), "sha256").hexdigest()[:32]


def _token(query: str, last: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps([_signature(query, last), *last]).encode()).decode()


def _read(token: str, query: str, error: type[AWSError]) -> Position:
    try:
        signature, value, name = json.loads(base64.b64decode(token.encode(), b"-_", validate=True))
    except (ValueError, TypeError):
        raise error(f"Invalid NextToken: {token}") from None
    if signature != _signature(query, (value, name)):
        raise error(f"Invalid NextToken: {token}")
    return value, name
