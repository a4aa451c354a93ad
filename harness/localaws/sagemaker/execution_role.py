"""Actions of SageMaker as an execution role: pulling images, reading model data, writing logs.

The permissions that a role needs are listed in https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
"""

from __future__ import annotations

from collections.abc import Callable

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.authorization import Authorization
from harness.localaws.iam.required_actions import Need, object_arn
from harness.localaws.moto_backend import ACCOUNT, Services
from harness.regions import ecr_image, partition_of, split_s3_uri

_PULLING = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def check_role(services: Services, arn: str) -> None:
    """Raise :class:`ValidationException` unless the role exists and trusts SageMaker."""
    if not services.trusts_sagemaker(arn):
        raise ValidationException(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )


def image_refusal(authorization: Authorization, role: str, image: str) -> str | None:
    """Return AWS's message if a role may not pull an image, or None. Images outside ECR need no permission."""
    parts = ecr_image(image)
    if not parts:
        return None
    repository = f"arn:{partition_of(role)}:ecr:{parts.region}:{parts.account}:repository/{parts.repository}"
    needs = [Need("ecr:GetAuthorizationToken", "*"), *(Need(action, repository) for action in _PULLING)]
    reason = next(filter(None, (authorization.refusal(role, need) for need in needs)), None)
    return reason and f'Either the image "{image}" does not exist or its permissions are incorrect: {reason}'


def model_data_refusal(authorization: Authorization, role: str, url: str | None, region: str) -> str | None:
    """Return AWS's message if a role may not read a model's artifact, or None if it may."""
    if not url:
        return None
    reason = authorization.refusal(role, Need("s3:GetObject", object_arn(region, *split_s3_uri(url))))
    return reason and (
        f'Could not access model data at {url}. Please ensure that the role "{role}" exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". '
        f'Also ensure that the role has "s3:GetObject" permissions and that the object is located in {region}. {reason}'
    )


def log_writer(
    services: Services, authorization: Authorization, role: str, region: str, group: str, stream: str
) -> Callable[[str], None]:
    """Return a function that appends a line to a log stream. It writes nothing if the role may not.

    SageMaker then continues without a log, both in training and in hosting.
    """
    base = f"arn:{partition_of(role)}:logs:{region}:{ACCOUNT}:log-group:{group}:log-stream:"
    actions = [] if services.has_log_group(region, group) else [Need("logs:CreateLogGroup", base)]
    actions += [Need(action, base + stream) for action in ("logs:CreateLogStream", "logs:PutLogEvents")]
    if any(authorization.refusal(role, need) for need in actions):
        return lambda _: None
    return services.log_writer(region, group, stream)
