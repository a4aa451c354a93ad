"""Actions of SageMaker as an execution role: pulling images, writing logs.

The permissions that a role needs are listed in https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
"""

from __future__ import annotations

from collections.abc import Callable

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.asked import Need
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import ACCOUNT, Services
from harness.regions import partition_of
from harness.registries import ecr_image

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
