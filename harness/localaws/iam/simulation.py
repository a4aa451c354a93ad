"""``iam:SimulatePrincipalPolicy``: simulates a user's or role's permissions, by the evaluation that decides calls.

See https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import json
import re
import uuid
from xml.sax.saxutils import escape

from harness.localaws.exceptions import AWSError
from harness.localaws.iam import identities, policy_evaluation
from harness.localaws.iam.authorization import decide
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.policy_evaluation import Decision

OPERATIONS = ("SimulatePrincipalPolicy",)
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_MOST = 1000
_DEFAULT_PAGE = 100
_INDEX = re.compile(r"\d+")


def simulate(operation: str, form: dict[str, str], region: str) -> str:  # noqa: ARG001 - the signature of all operations
    """Return the answer, one result for each action on each resource, as XML.

    :raises AWSError: as AWS would.
    """
    source = form.get("PolicySourceArn", "")
    principal = identities.find_principal(source)
    if principal is None:
        raise _error(404, "NoSuchEntity", f"Entity {source} cannot be found.")
    if not (names := _list(form, "ActionNames")):
        raise _error(400, "ValidationError", "1 validation error detected: Value at 'actionNames' must not be null")
    more = [_policy(text) for text in _list(form, "PolicyInputList")]
    context = identities.principal_context(principal) | _context(form)
    pairs = [(action, resource) for action in names for resource in _list(form, "ResourceArns") or ["*"]]
    start = int(form.get("Marker", "0"))
    end = start + min(int(form.get("MaxItems", _DEFAULT_PAGE)), _MOST)
    results = [_result(principal, more, action, resource, context) for action, resource in pairs[start:end]]
    return _answer("".join(results), str(end) if end < len(pairs) else None)


def _policy(text: str) -> policy_evaluation.Document:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _error(400, "InvalidInput", f"Syntax errors in policy: {text[:100]}")
    return document


def _result(
    principal: Identity,
    more: list[policy_evaluation.Document],
    action: str,
    resource: str,
    context: dict[str, list[str]],
) -> str:
    decision = decide(principal, action, resource, context)
    added = policy_evaluation.evaluate(more, action, resource, context)
    if decision is Decision.IMPLICIT_DENY or added is Decision.EXPLICIT_DENY:
        decision = added
    missing = "".join(
        f"<member>{escape(key)}</member>"
        for key in policy_evaluation.keys_missing([*principal.policies, *more], action, resource, context)
    )
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}"
        f"</EvalResourceName><EvalDecision>{decision.value}</EvalDecision><MatchedStatements/>"
        f"<MissingContextValues>{missing}</MissingContextValues></member>"
    )


def _answer(results: str, marker: str | None) -> str:
    more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>" if marker else "<IsTruncated>false</IsTruncated>"
    return (
        f'<SimulatePrincipalPolicyResponse xmlns="{_NAMESPACE}"><SimulatePrincipalPolicyResult>'
        f"<EvaluationResults>{results}</EvaluationResults>{more}</SimulatePrincipalPolicyResult>"
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
    )


def _list(form: dict[str, str], name: str) -> list[str]:
    """Return a list's members from a form, whose fields are ``<name>.member.<number>``."""
    prefix = f"{name}.member."
    found = {field.removeprefix(prefix): value for field, value in form.items() if field.startswith(prefix)}
    return [found[number] for number in sorted(filter(_INDEX.fullmatch, found), key=int)]


def _context(form: dict[str, str]) -> dict[str, list[str]]:
    prefix = "ContextEntries.member."
    numbers = {field.removeprefix(prefix).partition(".")[0] for field in form if field.startswith(prefix)}
    entries = {form.get(f"{prefix}{n}.ContextKeyName", ""): f"{prefix}{n}.ContextKeyValues" for n in numbers}
    return {name: _list(form, values) for name, values in entries.items()}


def _error(status: int, code: str, message: str) -> AWSError:
    error = AWSError(message)
    error.status, error.code = status, code
    return error
