"""Model data of a container: the S3 address it is at, the checks of CreateModel, the files that become ``model/``.

``ModelDataUrl`` names a ``.tar.gz``. ``ModelDataSource`` names such an archive, one uncompressed object, or the objects
below a prefix: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3ModelDataSource.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.localaws.exceptions import ValidationException
from harness.localaws.iam.asked import Need
from harness.localaws.iam.authorization import Authorization
from harness.localaws.iam.s3_actions import bucket_arn, object_arn
from harness.localaws.moto_backend import Services, StoredObject
from harness.localaws.sagemaker.hosting.archives import ArchiveError, unpack
from harness.localaws.sagemaker.hosting.instance import DeploymentFailure
from harness.localaws.sagemaker.s3_addresses import split_address

_LONGEST_NAME = 255
"""Bytes of the name of a file or directory, from the page above."""
_SUFFIX = ".tar.gz"


@dataclass(frozen=True)
class ModelData:
    """The address of a container's model data, and the form of the data there."""

    url: str
    compressed: bool = True
    """True for a ``.tar.gz``."""
    is_prefix: bool = False

    @classmethod
    def of(cls, container: dict[str, Any]) -> ModelData | None:
        """Return the model data that a container asks for, or None if it asks for none.

        :raises ValidationException: it asks for two, or for what no combination of members describes.
        """
        url, source = container.get("ModelDataUrl"), container.get("ModelDataSource")
        if url and source:
            raise ValidationException("ModelDataUrl and ModelDataSource cannot both be given for a container.")
        if not source:
            return cls(url) if url else None
        if "S3DataSource" not in source:
            raise ValidationException("The local AWS reads model data from ModelDataSource.S3DataSource: give it.")
        where = source["S3DataSource"]
        data = cls(where["S3Uri"], where["CompressionType"] == "Gzip", where["S3DataType"] == "S3Prefix")
        if data.is_prefix and (data.compressed or not data.url.endswith("/")):
            raise ValidationException(
                f'Invalid model data source "{data.url}": an S3Prefix ends with a forward slash, and its '
                "CompressionType is None."
            )
        return data

    @property
    def location(self) -> tuple[str, str]:
        """The bucket, and the key or its beginning."""
        return split_address(self.url)


def check_model_data(
    services: Services, authorization: Authorization, role: str, data: ModelData | None, region: str
) -> None:
    """Check model data as CreateModel does.

    The message about data that does not exist was observed
    (https://github.com/aws/amazon-sagemaker-examples/issues/2264; of a prefix,
    https://github.com/aws-ia/ecs-blueprints/issues/223). That the suffix is required is documentation only.

    :raises ValidationException: it is not there, is no ``.tar.gz``, or the role may not read it.
    """
    if data is None:
        return
    bucket, key = data.location
    if data.compressed and not key.endswith(_SUFFIX):
        raise ValidationException(
            f'Invalid model data URL "{data.url}": it must point to a single gzip compressed tar archive '
            f"({_SUFFIX} suffix)."
        )
    if reason := model_data_refusal(services, authorization, role, data, region):
        raise ValidationException(reason)
    if not (services.list_objects(bucket, key) if data.is_prefix else services.has_object(bucket, key)):
        raise ValidationException(f"Could not find model data at {data.url}.")


def model_data_refusal(
    services: Services, authorization: Authorization, role: str, data: ModelData, region: str
) -> str | None:
    """Return AWS's message if a role may not read model data, or its bucket is in another region; otherwise None."""
    bucket, key = data.location
    needs = [Need("s3:GetObject", object_arn(region, bucket, key))]
    if data.is_prefix:
        needs.insert(0, Need("s3:ListBucket", bucket_arn(region, bucket), {"s3:prefix": [key]}))
    reason = next(filter(None, (authorization.refusal(role, need) for need in needs)), None)
    there = services.bucket_region(bucket)
    if reason is None and there not in (None, region):
        reason = f"The bucket is in {there}."
    return reason and (
        f'Could not access model data at {data.url}. Please ensure that the role "{role}" exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". '
        f'Also ensure that the role has "s3:GetObject" permissions and that the object is located in {region}. {reason}'
    )


def fetch_model_data(services: Services, data: ModelData, container: str, directory: Path) -> Path:
    """Download model data below ``directory``, and return the directory that becomes ``model/``.

    The messages were observed: https://github.com/aws/deep-learning-containers/pull/569 and
    https://github.com/aws-solutions-library-samples/fraud-detection-using-machine-learning/issues/9

    :param container: the container's name, as messages show it.
    :raises DeploymentFailure: it is not there any more, or cannot be unpacked.
    """
    target = directory / "model"
    directory.mkdir(parents=True)
    try:
        if data.compressed:
            _fetch(services, *data.location, directory / "model.tar.gz")
        else:
            for path, stored in _uncompressed(services, data, container):
                _fetch(services, stored.bucket, stored.key, target / path)
    except KeyError:
        raise DeploymentFailure(
            f'Failed to download model data for container "{container}" from URL: "{data.url}". Please ensure that '
            "there is an object located at the URL and that the role passed to CreateModel has permissions to download "
            "the object."
        ) from None
    if data.compressed:
        try:
            unpack(directory / "model.tar.gz", target)
        except (ArchiveError, OSError) as error:
            raise DeploymentFailure(
                f'Failed to extract model data archive for container "{container}" from URL "{data.url}". Please '
                f"ensure that the object located at the URL is a valid tar.gz archive. ({error})"
            ) from None
        finally:
            (directory / "model.tar.gz").unlink(missing_ok=True)
    return target


def _fetch(services: Services, bucket: str, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        services.read_object(bucket, key, file)


def _uncompressed(services: Services, data: ModelData, container: str) -> Iterator[tuple[str, StoredObject]]:
    """Yield the objects of uncompressed model data, each with its path below ``model/``.

    :raises KeyError: there are none.
    :raises DeploymentFailure: names cannot be those of files, or two objects clash.
    """
    bucket, key = data.location
    start = key if data.is_prefix else key[: key.rfind("/") + 1]
    found = {
        stored.key.removeprefix(start): stored
        for stored in services.list_objects(bucket, key)
        if (data.is_prefix and not stored.key.endswith("/")) or stored.key == key
    }
    if not found:
        raise KeyError(data.url)
    for path, stored in found.items():
        parts = path.split("/")
        above = {"/".join(parts[:length]) for length in range(1, len(parts))}
        if above & found.keys() or not all(map(_is_name, parts)):
            raise DeploymentFailure(
                f'Failed to download model data for container "{container}" from URL: "{data.url}". The key '
                f"s3://{stored.bucket}/{stored.key} is not a valid path of a file below /opt/ml/model, or clashes with "
                "another."
            )
        yield path, stored


def _is_name(part: str) -> bool:
    return bool(part.strip()) and part not in (".", "..") and "\0" not in part and len(part.encode()) <= _LONGEST_NAME
