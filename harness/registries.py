"""Amazon's built-in algorithms: the URIs of their images, and the accounts whose registries hold them, by region."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.regions import DOMAIN, domain

_ECR_IMAGE = re.compile(
    rf"(?P<account>\d{{12}})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.{DOMAIN}"
    r"/(?P<repository>[^:@]+)(?:[:@](?P<version>.*))?",
    re.DOTALL,
)
_ALGORITHM_ACCOUNTS = {
    "af-south-1": "455444449433",
    "ap-east-1": "286214385809",
    "ap-northeast-1": "351501993468",
    "ap-northeast-2": "835164637446",
    "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "712309505854",
    "ca-central-1": "469771592824",
    "cn-north-1": "390948362332",
    "cn-northwest-1": "387376663083",
    "eu-central-1": "664544806723",
    "eu-north-1": "669576153137",
    "eu-south-1": "257386234256",
    "eu-west-1": "438346466558",
    "eu-west-2": "644912444149",
    "eu-west-3": "749696950732",
    "me-south-1": "249704162688",
    "sa-east-1": "855470959533",
    "us-east-1": "382416733822",
    "us-east-2": "404615174143",
    "us-gov-west-1": "226302683700",
    "us-west-1": "632365934929",
    "us-west-2": "174872318107",
}
"""Accounts with ``kmeans``, ``pca``, ``linear-learner`` and ``factorization-machines``, by region:
``AlgorithmsAccountMap`` of the SageMaker Spark SDK (``ImageURIProvider.scala``)."""
_LDA_ACCOUNTS = {
    "ap-northeast-1": "258307448986",
    "ap-northeast-2": "293181348795",
    "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "297031611018",
    "ca-central-1": "469771592824",
    "eu-central-1": "353608530281",
    "eu-west-1": "999678624901",
    "eu-west-2": "644912444149",
    "us-east-1": "766337827248",
    "us-east-2": "999911452149",
    "us-gov-west-1": "226302683700",
    "us-west-1": "632365934929",
    "us-west-2": "266724342769",
}
"""Accounts with ``lda``, by region: ``LDAAccountMap`` of the SageMaker Spark SDK."""
_XGBOOST_ACCOUNTS = {
    "af-south-1": "455444449433",
    "ap-east-1": "286214385809",
    "ap-northeast-1": "501404015308",
    "ap-northeast-2": "306986355934",
    "ap-south-1": "991648021394",
    "ap-southeast-1": "475088953585",
    "ap-southeast-2": "544295431143",
    "ca-central-1": "469771592824",
    "cn-north-1": "390948362332",
    "cn-northwest-1": "387376663083",
    "eu-central-1": "813361260812",
    "eu-north-1": "669576153137",
    "eu-south-1": "257386234256",
    "eu-west-1": "685385470294",
    "eu-west-2": "644912444149",
    "eu-west-3": "749696950732",
    "me-south-1": "249704162688",
    "sa-east-1": "855470959533",
    "us-east-1": "811284229777",
    "us-east-2": "825641698319",
    "us-gov-west-1": "226302683700",
    "us-west-1": "632365934929",
    "us-west-2": "433757028032",
}
"""Accounts whose registries hold ``xgboost:1``, by region: ``ApplicationsAccountMap`` of the SageMaker Spark SDK."""
_SAGEMAKER_XGBOOST_ACCOUNTS = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}
"""Accounts whose registries hold ``sagemaker-xgboost``, by region: ``image_uri_config/xgboost.json`` of the SageMaker
Python SDK, and https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html."""
SAGEMAKER_XGBOOST = "sagemaker-xgboost"
"""Repository of the newer XGBoost."""
SAGEMAKER_XGBOOST_VERSIONS = ("0.90-1", "0.90-2", "1.0-1", "1.2-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5")
"""Versions of ``sagemaker-xgboost`` that AWS documents: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html."""
_ACCOUNTS = {
    **dict.fromkeys(("kmeans", "pca", "linear-learner", "factorization-machines"), _ALGORITHM_ACCOUNTS),
    "lda": _LDA_ACCOUNTS,
    "xgboost": _XGBOOST_ACCOUNTS,
}
SDK_ALGORITHMS = tuple(_ACCOUNTS)
"""Names of the repositories of the SageMaker Spark SDK's algorithms."""
_SDK_TAGS = ("1", "latest")
"""Tags of their only version. The SDK uses ``1``; ``latest`` is in
https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-algo-docker-registry-paths.html."""


class EcrImage(NamedTuple):
    """A container image in Amazon ECR."""

    account: str
    region: str
    repository: str
    version: str | None
    """The tag or the digest."""


class BuiltIn(NamedTuple):
    """A built-in algorithm."""

    repository: str
    """One of :data:`SDK_ALGORITHMS`, or :data:`SAGEMAKER_XGBOOST`."""
    version: str
    """``1``, or one of :data:`SAGEMAKER_XGBOOST_VERSIONS`."""


def ecr_image(uri: str) -> EcrImage | None:
    """Return the parts of an image URI. Return None if the image is not in Amazon ECR."""
    match = _ECR_IMAGE.fullmatch(uri)
    return EcrImage(**match.groupdict()) if match else None


def image(algorithm: str, region: str) -> str:
    """Return the URI of an algorithm's image in a region, as the SageMaker Spark SDK spells it.

    :param algorithm: one of :data:`SDK_ALGORITHMS`.
    :raises KeyError: the SDK knows no such image there.
    """
    return f"{_ACCOUNTS[algorithm][region]}.dkr.ecr.{region}.{domain(region)}/{algorithm}:1"


def built_in(uri: str) -> BuiltIn | None:
    """Return the built-in algorithm whose image a URI names. Return None for any other image.

    Tags of ``sagemaker-xgboost`` may end with the kind of the image: ``1.0-1-cpu-py3``.
    """
    found = ecr_image(uri)
    if found is None or found.version is None:
        return None
    if _ACCOUNTS.get(found.repository, {}).get(found.region) == found.account:
        return BuiltIn(found.repository, "1") if found.version in _SDK_TAGS else None
    if found.repository == SAGEMAKER_XGBOOST and _SAGEMAKER_XGBOOST_ACCOUNTS.get(found.region) == found.account:
        version = found.version.removesuffix("-cpu-py3")
        return BuiltIn(SAGEMAKER_XGBOOST, version) if version in SAGEMAKER_XGBOOST_VERSIONS else None
    return None
