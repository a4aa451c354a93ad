"""Callers: the identity that signed a request, in a header, in a presigned URL, or in a POST form of S3.

The order of the checks is this project's: AWS does not document it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import partial

from harness import regions
from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import Request
from harness.localaws.iam import buckets, identities
from harness.localaws.iam.identities import Identity
from harness.localaws.iam.refusals import protocol, refusal
from harness.localaws.iam.signatures import form_signature, sigv2, sigv4
from harness.localaws.iam.signatures.payloads import SIGNED_CHUNKS, UNSIGNED, Digest, SignedChunks
from harness.localaws.iam.signatures.sigv4 import MalformedSignature, Signature

Claims = Signature | sigv2.Signature
_UNSIGNED_OPERATIONS = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")
_ONE_MECHANISM = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
    "the Authorization header should be specified"
)


def claims_of(request: Request) -> Claims | None:
    """Return what a request claims about its signature, or None if it is not signed.

    :raises AWSError: the claims are malformed, or a region does not take Signature Version 2.
    """
    service, header = request.host.service, request.headers.get("authorization")
    if header is not None and request.query.keys() & {"X-Amz-Algorithm", "Signature"}:
        raise refusal(service, "twice", _ONE_MECHANISM, ArgumentName="Authorization", ArgumentValue=header)
    try:
        old = sigv2.read(request.headers, request.query) if service == "s3" else None
        found = old or sigv4.read(request.headers, request.query)
    except MalformedSignature as error:
        raise _malformed(service, error, header or "") from None
    if old and _region(request) not in sigv2.REGIONS:
        raise refusal(service, "version")
    return found


def _malformed(service: str, error: MalformedSignature, header: str) -> AWSError:
    if service != "s3":
        return refusal(service, error.kind, f"The request's signature cannot be read: {error}")
    if error.kind == "malformed":
        return refusal(service, "malformed", f"The authorization header is malformed; {error}")
    details = {"ArgumentName": "Authorization", "ArgumentValue": header} if error.kind == "scheme" else {}
    return refusal(service, error.kind, str(error), **details)


def _region(request: Request) -> str:
    bucket = request.bucket_and_key()[0]
    return (buckets.region_of(bucket) if bucket else None) or request.host.region or "us-east-1"


def authenticate(request: Request) -> Identity | None:
    """Return the identity that signed a request, or None if it is a request to S3 without signature.

    The signature of the body is verified while the body is read: see :attr:`Request.verifier`.

    :raises AWSError: the signature is missing or wrong, or the credentials are unknown or expired.
    """
    service = request.host.service
    claims = claims_of(request)
    if claims is None and service == "s3":
        return None
    if claims is None and service == "sts" and request.operation in _UNSIGNED_OPERATIONS:
        raise refusal(
            service,
            "denied",
            f"The local AWS does not emulate {request.operation} where IAM is enforced: it does not have the keys by "
            "which identity providers sign.",
        )
    if claims is None:
        raise refusal(service, "missing")
    if isinstance(claims, Signature):
        _check_scope(request, claims)
    caller = known(service, claims.key, request.session_token, _partition(request, claims))
    check_time(service, claims)
    _check_signature(request, claims, caller.secret)
    return caller


def check_presigned(request: Request) -> None:
    """Raise :class:`AWSError` if S3 refuses a presigned URL whatever its signer may do.

    Its form and its time are checked, and its signature if the local IAM has the key.
    """
    claims = claims_of(request)
    if claims is None or "authorization" in request.headers:
        return
    if isinstance(claims, Signature):
        _check_scope(request, claims)
    check_time("s3", claims)
    if caller := identities.find_caller(claims.key):
        _check_token("s3", caller, request.session_token)
        _check_signature(request, claims, caller.secret)


def known(service: str, key: str, token: str, partition: str) -> Identity:
    """Return the identity of an access key of a partition.

    :raises AWSError: the key is unknown, or its session has another token or has expired.
    """
    caller = identities.find_caller(key)
    if caller is None or regions.partition_of(caller.principal) != partition:
        raise refusal(service, "unknown", AWSAccessKeyId=key)
    _check_token(service, caller, token)
    if caller.expired:
        raise refusal(service, "expired")
    return caller


def _check_token(service: str, caller: Identity, token: str) -> None:
    if caller.token and not token:
        raise refusal(service, "unknown")  # the key of a session alone is no key
    if caller.token != token:
        raise refusal(service, "token")


def _partition(request: Request, claims: Claims) -> str:
    return regions.partition(claims.region if isinstance(claims, Signature) else _region(request))


def _check_scope(request: Request, signature: Signature) -> None:
    """Raise :class:`AWSError` unless a credential's scope is the host's service and region."""
    service = request.host.service
    expected = _SIGNING_NAMES.get(service, service)
    if signature.service != expected:
        raise _out_of_scope(
            signature,
            service,
            f'incorrect service "{signature.service}". This endpoint belongs to "{expected}".',
            f"Credential should be scoped to correct service: '{expected}'.",
        )
    region = request.host.region or _GLOBAL_REGIONS.get(request.host_name, "us-east-1")
    regional = request.host.region is not None or service != "s3"  # S3's global host serves buckets of all regions
    domain = "aws-cn" if request.host_name.endswith(".cn") else "aws"
    foreign = not regional and regions.partition(signature.region) != domain
    if foreign or (regional and signature.region != region):
        raise _out_of_scope(
            signature,
            service,
            f"the region '{signature.region}' is wrong; expecting '{region}'",
            f"Credential should be scoped to a valid region, not '{signature.region}'.",
            Region=region,
        )


def _out_of_scope(signature: Signature, service: str, of_s3: str, of_others: str, **members: object) -> AWSError:
    if service != "s3":
        return refusal(service, "scope", of_others)
    if signature.expiry is not None:
        return refusal("s3", "malformed query", f"Error parsing the X-Amz-Credential parameter; {of_s3}", **members)
    return refusal("s3", "malformed", f"The authorization header is malformed; {of_s3}", **members)


def check_time(service: str, claims: Claims) -> None:
    """Raise :class:`AWSError` unless a signature is valid now."""
    now = datetime.now(timezone.utc)
    expiry = claims.expiry if isinstance(claims, Signature) else None
    ends = (
        claims.expires
        if isinstance(claims, sigv2.Signature)
        else claims.moment + expiry
        if expiry is not None
        else None
    )
    if ends is not None and now > ends:
        seconds = {"X-Amz-Expires": int(expiry.total_seconds())} if expiry is not None else {}
        raise refusal(service, "url expired", **seconds, Expires=f"{ends:{_ISO}}", ServerTime=f"{now:{_ISO}}")
    moment, skew = claims.moment, _LONGEST_SKEW["json" if protocol(service) == "json" else "other"]
    if moment is None or (moment <= now + skew and (ends is not None or moment >= now - skew)):
        return
    stamp = f"{moment:{_TIME}}"
    if ends is not None and service == "s3":
        raise refusal(service, "url early", **{"X-Amz-Date": stamp, "ServerTime": f"{now:{_ISO}}"})
    if service == "s3":
        most = int(skew.total_seconds() * 1000)
        server = f"{now:{_ISO}}"
        raise refusal(service, "skewed", RequestTime=stamp, ServerTime=server, MaxAllowedSkewMilliseconds=most)
    which = "Signature expired" if moment < now else "Signature not yet current"
    minutes = int(skew.total_seconds() // 60)
    raise refusal(service, "skewed", f"{which}: {stamp} is not within {minutes} min. of {now:{_TIME}}")


def _check_signature(request: Request, claims: Claims, secret: str) -> None:
    """Raise :class:`AWSError` unless the signature is right. It may prescribe a verifier of the body."""
    if isinstance(claims, sigv2.Signature):
        _check_version_2(request, claims, secret)
        return
    service = request.host.service
    if unsigned := sigv4.unsigned_headers(claims, request.headers):
        names = ", ".join(unsigned)
        text = "" if service == "s3" else f"There were headers present in the request which were not signed: {names}"
        raise refusal(service, "unsigned", text, HeadersNotSigned=names)
    digest = _digest_in_s3(request, claims, secret) if service == "s3" else _digest_of_body(request)
    arguments = (claims, secret, request.scope["method"], request.url, request.headers, digest)
    if sigv4.is_right(*arguments):
        return
    if service != "s3":
        raise refusal(service, "signature")
    found = sigv4.calculate(*arguments)
    texts = {"CanonicalRequest": found.canonical_request, "CanonicalRequestBytes": _bytes(found.canonical_request)}
    raise mismatch(claims.key, claims.value, found.string_to_sign, **texts)


def _check_version_2(request: Request, claims: sigv2.Signature, secret: str) -> None:
    raw = request.scope["raw_path"].decode("latin-1")
    resource = f"/{request.host.bucket}{raw}" if request.host.bucket else raw
    query = request.scope["query_string"].decode("latin-1")
    # A bucket alone is signed with a slash after it (botocore's handlers.py), or as the client sends it.
    resources = {resource, f"{resource}/"} if resource.count("/") == 1 else {resource}
    sign = partial(sigv2.string_to_sign, claims, request.scope["method"])
    texts = [sign(each, query, request.headers) for each in sorted(resources)]
    if not any(sigv2.is_right(claims.value, text, secret) for text in texts):
        raise mismatch(claims.key, claims.value, texts[-1])


def mismatch(key: str, given: str, text: str, **members: object) -> AWSError:
    """Return S3's answer to a wrong signature, with the text that was signed here."""
    return refusal(
        "s3",
        "signature",
        AWSAccessKeyId=key,
        StringToSign=text,
        SignatureProvided=given,
        StringToSignBytes=_bytes(text),
        **members,
    )


def _bytes(text: str) -> str:
    return text.encode().hex(" ")


def _digest_of_body(request: Request) -> str:
    """Return the digest of a body that has been read.

    :raises AWSError: the request names another.
    """
    given, found = request.headers.get("x-amz-content-sha256", ""), hashlib.sha256(request.body_read).hexdigest()
    if given and given != found:
        raise refusal(request.host.service, "signature")
    return found


def _digest_in_s3(request: Request, signature: Signature, secret: str) -> str:
    """Return the digest that a request to S3 names, or the word in its place; prescribe the verifier of the body."""
    digest = request.headers.get("x-amz-content-sha256", "")
    if signature.expiry is not None:
        digest = digest or request.query.get("X-Amz-Content-Sha256", ["UNSIGNED-PAYLOAD"])[0]
    if not digest:
        raise refusal("s3", "digest missing")
    if digest.startswith("STREAMING-AWS4-ECDSA"):
        raise refusal("s3", "not emulated", f"The local AWS does not emulate Signature Version 4A ({digest}).")
    if digest in SIGNED_CHUNKS:
        request.verifier = SignedChunks(signature, secret, trailer=digest.endswith("-TRAILER"))
    elif _HEXADECIMAL.fullmatch(digest):
        request.verifier = Digest(digest)
    elif digest not in UNSIGNED:
        raise refusal("s3", "digest", ArgumentName="x-amz-content-sha256", ArgumentValue=digest)
    return digest


def keys_of_signature(request: Request, claims: Claims | None) -> dict[str, list[str]]:
    """Return the condition keys of S3 that depend on a signature; none if there is none.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
    """
    if claims is None:
        return {}
    kind = "REST-HEADER" if "authorization" in request.headers else "REST-QUERY-STRING"
    age = datetime.now(timezone.utc) - claims.moment if isinstance(claims, Signature) else timedelta(0)
    return {
        "s3:authType": [kind],
        "s3:signatureversion": [sigv4.ALGORITHM if isinstance(claims, Signature) else "AWS"],
        "s3:signatureAge": [str(int(age.total_seconds() * 1000))],
    }


_SIGNING_NAMES = {
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tagging",
}
"""Service names in the scope of credentials, if they differ from boto3's."""
_GLOBAL_REGIONS = {"iam.us-gov.amazonaws.com": "us-gov-west-1"}
"""Signing region of hosts without a region, if it is not us-east-1."""
_LONGEST_SKEW = {"json": timedelta(minutes=5), "other": timedelta(minutes=15)}
"""Largest difference between a request's time and AWS's: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
(RequestTimeTooSkewed, 15 minutes), https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html (5 minutes)."""
_TIME = "%Y%m%dT%H%M%SZ"
_ISO = "%Y-%m-%dT%H:%M:%SZ"
_HEXADECIMAL = re.compile("[0-9a-f]{64}")


# --- POST forms -------------------------------------------------------------------------------------------------------


def authenticate_form(fields: Mapping[str, str], region: str, *, strict: bool = True) -> Identity | None:
    """Return the identity that signed the policy of a POST form, or None if the form has no policy.

    :param fields: by names in lower case.
    :param region: the region of the bucket.
    :param strict: False to accept keys that the local IAM does not have.
    :raises AWSError: the signature is malformed or wrong, or the credentials are unknown or expired.
    """
    signature = form_signature.read(fields, region)
    if signature is None:
        return None
    token, partition = fields.get("x-amz-security-token", ""), regions.partition(region)
    caller = known("s3", signature.key, token, partition) if strict else identities.find_caller(signature.key)
    if caller and not signature.is_right(caller.secret):
        raise mismatch(signature.key, signature.value, signature.policy)
    return caller
