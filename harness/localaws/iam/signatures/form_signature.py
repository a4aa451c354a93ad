"""Signatures of POST forms, in version 4 or 2. The text that is signed is the form's policy.

See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html. The refusals follow
https://github.com/versity/versitygw (``s3err/post-object.go``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from harness.localaws.exceptions import AWSError
from harness.localaws.iam.refusals import refusal
from harness.localaws.iam.signatures import sigv2, sigv4
from harness.localaws.iam.signatures.sigv4 import MalformedSignature

_FIELDS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature")
"""Fields of version 4. The last is the signature itself."""


@dataclass(frozen=True)
class FormSignature:
    """The claims of a form about its signature."""

    key: str
    """The access key id."""
    value: str
    policy: str
    scope: str
    """The credential's scope; '' for version 2."""

    def is_right(self, secret: str) -> bool:
        """Return whether the form's policy has the signature that a secret access key results in."""
        if not self.scope:
            return sigv2.is_right(self.value, self.policy, secret)
        key = sigv4.signing_key(self.scope, secret)
        expected = hmac.new(key, self.policy.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), self.value.encode())


def read(fields: Mapping[str, str], region: str) -> FormSignature | None:
    """Return a form's signature, or None if the form has no policy.

    :param fields: by names in lower case.
    :param region: the region of the bucket.
    :raises AWSError: as S3.
    """
    if "policy" not in fields:
        return None
    is_old = not fields.keys() & {"x-amz-signature", "x-amz-algorithm"}
    names = ("AWSAccessKeyId", "signature") if is_old else _FIELDS
    for name in names:
        if not fields.get(name.lower()):
            order = "If it is specified, please check the order of the fields."
            raise _wrong(name, f"Bucket POST must contain a field named '{name}'.  {order}")
    if is_old and region not in sigv2.REGIONS:
        raise refusal("s3", "version")
    key, scope = (fields["awsaccesskeyid"], "") if is_old else _credential(fields, region)
    return FormSignature(key, fields[names[-1].lower()], fields["policy"], scope)


def _credential(fields: Mapping[str, str], region: str) -> tuple[str, str]:
    """Return the key and the scope of a form's credential."""
    if fields["x-amz-algorithm"] != sigv4.ALGORITHM:
        raise _wrong("X-Amz-Algorithm", f'X-Amz-Algorithm only supports "{sigv4.ALGORITHM}" in the local AWS')
    try:
        key, date, given, service = sigv4.read_credential(fields["x-amz-credential"])
    except MalformedSignature as error:
        raise _wrong("X-Amz-Credential", str(error)) from None
    if service != "s3":
        raise _wrong("X-Amz-Credential", f'incorrect service "{service}". This endpoint belongs to "s3".')
    if given != region:
        raise _wrong("X-Amz-Credential", f'the region "{given}" is wrong; expecting "{region}"')
    return key, f"{date}/{given}/s3/aws4_request"


def _wrong(name: str, text: str) -> AWSError:
    return refusal("s3", "malformed form", text, ArgumentName=name, ArgumentValue="")
