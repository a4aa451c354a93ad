"""Checks of an account before anything is created in it: caller, permissions, resources, quotas and cost.

No check changes anything. If AWS does not let the caller see something, its check is ``unknown``, which stops no
run. AWS may refuse later, and :func:`harness.aws.account.permissions.explain_denied` then explains the refusal.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError

from harness.aws.account.permissions import (
    Denial,
    Permission,
    Place,
    Statement,
    Who,
    grouped,
    missing,
    rows_of,
    statement,
    trust_policy,
)
from harness.aws.pricing import USAGES, RunPrices, Usage, find_prices, hourly_cost, instances_of
from harness.aws.real import RealAWS, principal
from harness.errors import Check, PreflightError
from harness.regions import sample_bucket, sdk_bucket
from harness.settings import Settings, option_name

OK, WARNING, MISSING, UNKNOWN = "ok", "warning", "missing", "unknown"
_PATIENCE = 2.0
"""Seconds after which progress is reported."""
_SAMPLE = "spark/mnist/train/mnist_train.libsvm"
_QUOTA_NAMES: dict[Usage, str] = {"training": "training job usage", "hosting": "endpoint usage"}
_ERRORS = (ClientError, BotoCoreError)


def open_checked(settings: Settings, endpoint_types: Sequence[str] = ()) -> RealAWS:
    """Return the account of the default credentials, if a run with these settings can start in it.

    :param endpoint_types: instance types of endpoints that exist at the same time; by default the settings' one.
    :raises HarnessError: as :meth:`RealAWS.start` and :func:`require` do.
    """
    aws = RealAWS.start(settings)
    try:
        require(aws, settings, endpoint_types)
    except BaseException:
        aws.close()
        raise
    return aws


def require(aws: RealAWS, settings: Settings, endpoint_types: Sequence[str] = ()) -> None:
    """Check the account. After two seconds, progress is printed to standard error.

    :raises PermissionMissingError: the caller or the role lacks a permission that the run needs.
    :raises PreflightError: something else is missing.
    """
    failed = [check for check in preflight(aws, settings, to_stderr, endpoint_types) if check.status == MISSING]
    if len(failed) == 1 and failed[0].error:
        raise failed[0].error
    if failed:
        raise PreflightError(
            " ".join(f"{check.name}: {check.found.rstrip('.')}." for check in failed),
            checked="the account, before anything was created in it ('harness doctor --mode real' shows all of it)",
            fix="\n".join(check.fix for check in failed if check.fix),
        )


def preflight(
    aws: RealAWS,
    settings: Settings,
    report: Callable[[str], None] | None = None,
    endpoint_types: Sequence[str] = (),
) -> Iterator[Check]:
    """Yield the checks of a run with these settings, one after the other.

    :param report: called with a line of progress for each step, from two seconds on.
    :param endpoint_types: instance types of endpoints that exist at the same time; by default the settings' one.
    """
    began = time.monotonic()
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "the caller": lambda: [_caller(aws, settings)],
        "the role": lambda: [_role(aws)],
        "the caller's permissions": lambda: _permissions(aws, "caller", principal(aws.session, aws.caller)),
        "the role's permissions": lambda: _permissions(aws, "role", aws.role),
        "the bucket": lambda: [_bucket(aws)],
        "the sample data": lambda: [_samples(aws)],
        "quotas": lambda: _quotas(aws, settings, endpoint_types),
        "prices": lambda: [_cost(aws, settings, endpoint_types)],
    }
    for what, look in looks.items():
        if report and time.monotonic() - began > _PATIENCE:
            report(f"harness: checking {what} in account {aws.account}")
        yield from look()


def _caller(aws: RealAWS, settings: Settings) -> Check:
    return Check("caller", OK, f"{aws.caller} in account {aws.account}, {aws.region} ({settings.origin('region')})")


def to_stderr(line: str) -> None:
    """Print a line to standard error."""
    print(line, file=sys.stderr, flush=True)


def _code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


def _is_denial(error: Exception) -> bool:
    return _code(error).startswith(("AccessDenied", "UnauthorizedOperation", "403"))


def _unknown(name: str, what: str, error: Exception, action: str) -> Check:
    """Return the check of something that AWS did not report, with the permission to add if that was denied."""
    if _is_denial(error):
        return Check(name, UNKNOWN, f"{what} could not be checked: the caller may not {action}", _allow(action))
    return Check(name, UNKNOWN, f"{what} could not be checked: {error}")


def _allow(action: str, resource: str = "*") -> str:
    return "add to a policy of the caller " + json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})


# --- the role ---------------------------------------------------------------------------------------------------------


def _role(aws: RealAWS) -> Check:
    shown = f"{aws.role} ({aws.role_origin})"
    try:
        role = aws.client("iam").get_role(RoleName=aws.role.rpartition("/")[2])["Role"]
    except _ERRORS as error:
        if _code(error) == "NoSuchEntity":
            fix = f"give {option_name('role')} an existing role; 'harness policy --format cloudformation' makes one"
            return Check("role", MISSING, f"{aws.role} does not exist", fix)
        return _unknown("role", f"whether {shown} exists and trusts SageMaker", error, "iam:GetRole")
    if role["Arn"] != aws.role:
        fix = f"give {option_name('role')} the role's exact ARN from IAM"
        return Check("role", MISSING, f"{aws.role} does not exist; {role['Arn']} does", fix)
    if not trusts_sagemaker(role["AssumeRolePolicyDocument"]):
        fix = (
            f"name another role with {option_name('role')}, or let SageMaker assume this one, with the trust policy\n"
            + json.dumps(trust_policy(), indent=2)
        )
        return Check("role", MISSING, f"{shown} does not trust sagemaker.amazonaws.com", fix)
    return Check("role", OK, f"{shown} trusts SageMaker")


def trusts_sagemaker(document: str | dict[str, Any]) -> bool:
    """Return whether a trust policy names SageMaker. Its conditions are not evaluated."""
    parsed = json.loads(unquote(document)) if isinstance(document, str) else document
    effects = {
        entry["Effect"]
        for entry in _listed(parsed.get("Statement", []))
        if "sagemaker.amazonaws.com" in _listed(_services(entry))
        and {"sts:AssumeRole", "sts:*", "*"} & set(_listed(entry.get("Action", [])))
    }
    return effects == {"Allow"}


def _services(entry: dict[str, Any]) -> Any:
    principals = entry.get("Principal", {})
    return principals.get("Service", []) if isinstance(principals, dict) else []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- permissions ------------------------------------------------------------------------------------------------------


def _permissions(aws: RealAWS, who: Who, arn: str) -> Iterator[Check]:
    """Yield checks of the policies of the caller or the role, by IAM's own simulation."""
    name = f"{who} may"
    if arn.endswith(":root"):
        yield Check(name, OK, "everything: it is the account's root user")
        return
    place = Place(aws.account, aws.region, aws.role, aws.partition)
    try:
        iam = aws.client("iam")
        denied = [denial for rows in grouped(rows_of(who)) for denial in _simulated(iam, arn, place, rows)]
    except _ERRORS as error:
        actions = f"the permissions of {arn} ({len({row.action for row in rows_of(who)})} actions)"
        yield _unknown(name, actions, error, "iam:SimulatePrincipalPolicy")
        return
    yield from _denied(name, [each for each in denied if each[0].required], place, MISSING)
    yield from _denied(name, [each for each in denied if not each[0].required], place, WARNING)
    if not denied:
        yield Check(name, OK, f"perform all actions of a run ({arn})")


def _denied(name: str, denied: list[tuple[Permission, Denial]], place: Place, status: str) -> Iterator[Check]:
    """Yield one check for all denials, if there are any."""
    if denied:
        denials = [denial for _, denial in denied]
        error = missing(denials, "iam:SimulatePrincipalPolicy", _to_add([row for row, _ in denied], place))
        found = error.what if status == MISSING else f"Optional for a run: {error.what}"
        yield Check(name, status, found, error.fix, error)


def _to_add(rows: list[Permission], place: Place) -> list[Statement]:
    """Return the statements that allow the rows. A row may have been denied on several resources."""
    once = {(row.action, row.resources): row for row in rows}
    return [statement(group, [place]) for group in grouped(once.values())]


def _simulated(iam: Any, arn: str, place: Place, rows: list[Permission]) -> Iterator[tuple[Permission, Denial]]:
    """Yield the rows that IAM would not allow. All rows have the same resources and conditions."""
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for keys in rows[0].conditions.values()
        for key, value in keys.items()
    ]
    by_action = {row.action: row for row in rows}
    for pattern in rows[0].resources:
        resource = place.fill(pattern)
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=arn,
            ActionNames=list(by_action),
            ResourceArns=[example(resource)],
            ContextEntries=context,
        )
        for result in (result for page in pages for result in page["EvaluationResults"]):
            if result["EvalDecision"] != "allowed":
                row = by_action[result["EvalActionName"]]
                explicit = result["EvalDecision"] == "explicitDeny"
                yield row, Denial(arn, row.action, resource, row.purpose, explicit)


def example(pattern: str) -> str:
    """Return an example of a resource that matches a pattern of the table: IAM's simulation takes no patterns."""
    return pattern if pattern == "*" else pattern.replace("*", "preflight")


# --- buckets ----------------------------------------------------------------------------------------------------------


def _bucket(aws: RealAWS) -> Check:
    """Check the bucket that the Spark SDK makes. Anyone can guess its name and take it."""
    name, s3 = sdk_bucket(aws.account, aws.region), aws.client("s3")
    try:
        answer = s3.head_bucket(Bucket=name, ExpectedBucketOwner=aws.account)
    except _ERRORS as error:
        return _bucket_refused(aws, name, error)
    region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", aws.region)
    if region != aws.region:
        fix = f"choose {option_name('region')} {region}, or delete the bucket"
        return Check("bucket", MISSING, f"{name} is in {region}, not in {aws.region}", fix)
    return _versions(s3, name) or Check("bucket", OK, f"{name} exists")


def _versions(s3: Any, bucket: str) -> Check | None:
    """Return a warning if a bucket keeps old versions of deleted objects. Return None otherwise, or if AWS refuses."""
    try:
        kept = s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    except _ERRORS:
        return None
    found = f"{bucket} has versioning on: old versions of objects that a run deletes cost money"
    fix = "allow s3:ListBucketVersions and s3:DeleteObjectVersion, or add a lifecycle rule for them below hsh-"
    return Check("bucket", WARNING, found, fix) if kept else None


def _bucket_refused(aws: RealAWS, name: str, error: Exception) -> Check:
    code = _code(error)
    if code in ("404", "NoSuchBucket"):
        return Check("bucket", OK, f"{name} does not exist yet; the run creates it")
    if code in ("301", "PermanentRedirect"):
        return Check("bucket", MISSING, f"{name} is in another region than {aws.region}", "delete it, or move its data")
    if not _is_denial(error):
        return Check("bucket", UNKNOWN, f"{name} could not be checked: {error}")
    try:
        aws.client("s3").head_bucket(Bucket=name)
    except _ERRORS:
        fix = _allow("s3:ListBucket", _bucket_arn(aws, name))
        found = f"{name} cannot be reached: the caller may not s3:ListBucket, or it is another account's"
        return Check("bucket", MISSING, found, fix)
    fix = "do not use it: its owner would get the data; ask AWS Support how to get the name back"
    return Check("bucket", MISSING, f"{name} belongs to another account than {aws.account}", fix)


def _bucket_arn(aws: RealAWS, name: str) -> str:
    return f"arn:{aws.partition}:s3:::{name}"


def _samples(aws: RealAWS) -> Check:
    name = sample_bucket(aws.region)
    try:
        aws.client("s3").head_object(Bucket=name, Key=_SAMPLE)
    except _ERRORS as error:
        found = f"s3://{name}/{_SAMPLE} cannot be read: {error}"
        if _code(error) in ("404", "NoSuchBucket"):
            return Check(
                "samples", MISSING, found, f"choose a region whose sample data has MNIST: {option_name('region')}"
            )
        if _is_denial(error):
            allowed = {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": _bucket_arn(aws, f"{name}/spark/mnist/*"),
            }
            return Check("samples", MISSING, found, f"add {json.dumps(allowed)}")
        return Check("samples", UNKNOWN, found)
    return Check("samples", OK, f"s3://{name}/spark/mnist/ can be read")


# --- quotas and cost --------------------------------------------------------------------------------------------------


def _quotas(aws: RealAWS, settings: Settings, endpoint_types: Sequence[str]) -> Iterator[Check]:
    run = instances_of(settings, endpoint_types)
    wanted = {f"{each.instance_type} for {_QUOTA_NAMES[each.usage]}": each.count for each in run}
    try:
        quotas = _values(aws, set(wanted))
    except _ERRORS as error:
        yield _unknown("quotas", ", ".join(wanted), error, "servicequotas:ListServiceQuotas")
        return
    for name, count in wanted.items():
        yield _quota(name, count, quotas.get(name), aws.region)


def _quota(name: str, count: int, quota: dict[str, Any] | None, region: str) -> Check:
    if quota is None:
        found = f"there is no quota '{name}' in {region}: the instance type may not be offered there"
        return Check("quotas", UNKNOWN, found, "look it up in the Service Quotas console")
    found = f"{name}: {quota['Value']:g}, of which the run needs {count}"
    if quota["Value"] >= count:
        return Check("quotas", OK, found)
    fix = (
        "run 'aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code "
        f"{quota['QuotaCode']} --desired-value {count} --region {region}', or choose another instance type"
    )
    return Check("quotas", MISSING, found, fix)


def _values(aws: RealAWS, names: set[str]) -> dict[str, dict[str, Any]]:
    """Return the quotas of these names: the account's own values, AWS's defaults for those that it has none of."""
    client, found = aws.client("service-quotas"), dict[str, dict[str, Any]]()
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode="sagemaker"):
            found |= {quota["QuotaName"]: quota for quota in page["Quotas"] if quota["QuotaName"] in names}
    return found


def _cost(aws: RealAWS, settings: Settings, endpoint_types: Sequence[str] = ()) -> Check:
    """Check the highest possible cost of a run against the limit. Without a limit, report it."""
    try:
        prices, unknown = find_prices(aws.prices, instances_of(settings, endpoint_types))
    except _ERRORS as error:
        return _without_price(_unknown("cost", "prices", error, "pricing:GetProducts"), settings)
    if unknown:
        found = f"no price is known of {', '.join(map(str, unknown))}"
        return _without_price(Check("cost", UNKNOWN, found), settings)
    _keep(aws, prices)
    most = hourly_cost(prices, settings) * settings.max_hours
    found = f"at most USD {most:.2f} in {settings.max_hours:g} hours: " + "; ".join(map(str, prices.values()))
    if settings.max_cost is not None and most > settings.max_cost:
        fix = f"raise {option_name('max_cost')}, lower {option_name('max_hours')}, or choose smaller or fewer instances"
        return Check("cost", MISSING, f"{found}; the limit is USD {settings.max_cost:.2f}", fix)
    return Check("cost", OK, f"{found} (without storage, requests and transfer)")


def _keep(aws: RealAWS, prices: RunPrices) -> None:
    """Keep hourly prices by the kind of resource that costs them, and the instance type."""
    kinds = {usage: kind for kind, usage in USAGES.items()}
    for (usage, instance_type), price in prices.items():
        aws.hourly_prices.setdefault(kinds[usage], {})[instance_type] = price.hourly


def _without_price(check: Check, settings: Settings) -> Check:
    if settings.max_cost is None:
        return check
    fix = f"give the prices in a file with {option_name('prices')}, or leave {option_name('max_cost')} out"
    found = f"{check.found}, so that it cannot be held to USD {settings.max_cost:.2f}"
    return Check(check.name, MISSING, found, " ; ".join(filter(None, [check.fix, fix])))
