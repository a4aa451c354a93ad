"""Checks of the S3 addresses in a request: AWS refuses them when it is asked, before anything is created.

An address is an ``s3://`` URI or an ``https://`` URL of S3: the pattern of every member that takes one is
``(https|s3)://([^/]+)/?(.*)`` (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html).
"""

from __future__ import annotations

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.asked import Need
from harness.localaws.iam.authorization import Authorization
from harness.localaws.iam.s3_actions import bucket_arn
from harness.localaws.moto_backend import Services
from harness.regions import split_s3_uri


def split_address(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an address.

    :raises ValidationException: it is the URL of another host. Its wording is not AWS's, which is not known.
    """
    try:
        return split_s3_uri(uri)
    except ValueError as error:
        raise ValidationException(f"Invalid S3 URI: {error}.") from None


class S3Addresses:
    """The checks, against the buckets, objects and permissions at the time of the request."""

    def __init__(self, services: Services, authorization: Authorization) -> None:
        self._services = services
        self._authorization = authorization

    def check_bucket(self, uri: str, what: str, region: str) -> None:
        """Check the bucket of an address that will be written to.

        :param what: the beginning of the message, which names the member.
        :raises ValidationException: it does not exist, or is in another region than the job (documentation only).
        """
        bucket, _ = split_address(uri)
        if reason := self._bucket_fault(bucket, region):
            raise ValidationException(
                f'{what} "{uri}" cannot be used: {reason}. Please ensure that the bucket exists in the selected '
                f"region ({region})."
            )

    def check_objects(self, uri: str, role: str, region: str) -> None:
        """Check that there is data at the address of a channel, and that the role may list it.

        The message was observed in CreateTrainingJob (https://github.com/aws/amazon-sagemaker-examples/issues/2489),
        with the message from S3 for a bucket of another region. Its end for other causes is documentation only.

        :raises ValidationException: otherwise.
        """
        bucket, key = split_address(uri)
        reason = self._bucket_fault(bucket, region) or self._authorization.refusal(
            role, Need("s3:ListBucket", bucket_arn(region, bucket), {"s3:prefix": [key]})
        )
        if reason or not self._services.list_objects(bucket, key):
            raise ValidationException(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
                f"exists in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
                f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
                + (f" Error message from S3: {reason}" if reason else "")
            )

    def _bucket_fault(self, bucket: str, region: str) -> str | None:
        """Return S3's message about a bucket that a job in a region cannot use, or None."""
        there = self._services.bucket_region(bucket)
        if there is None:
            return "The specified bucket does not exist"
        if there != region:
            return f"The bucket is in this region: {there}. Please use this region to retry the request"
        return None
