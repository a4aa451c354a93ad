"""Refusals of callers and signatures, with the status, code and message of each protocol.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html, and the errors that
https://github.com/versity/versitygw (``s3err``) compares with S3. Nothing was observed on AWS.
"""

from __future__ import annotations

from harness.localaws.exceptions import AWSError
from harness.localaws.http.request import QUERY_SERVICES

_MISMATCH = "The request signature we calculated does not match the signature you provided. Check your "
_INVALID = "The security token included in the request is invalid."
_UNSUPPORTED = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
_REFUSALS = {
    "s3": {
        "missing": (403, "AccessDenied", "Access Denied"),
        "malformed": (400, "AuthorizationHeaderMalformed", ""),
        "malformed query": (400, "AuthorizationQueryParametersError", ""),
        "malformed query of version 2": (403, "AccessDenied", ""),
        "malformed form": (400, "InvalidArgument", ""),
        "twice": (400, "InvalidArgument", ""),
        "scheme": (400, "InvalidArgument", "Unsupported Authorization Type"),
        "version": (400, "InvalidRequest", _UNSUPPORTED),
        "not emulated": (400, "NotImplemented", ""),
        "date": (403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"),
        "unknown": (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        "token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        "expired": (400, "ExpiredToken", "The provided token has expired."),
        "skewed": (
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        "url expired": (403, "AccessDenied", "Request has expired"),
        "url early": (403, "AccessDenied", "Request is not yet valid"),
        "unsigned": (403, "AccessDenied", "There were headers present in the request which were not signed"),
        "digest missing": (400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"),
        "digest": (
            400,
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        ),
        "signature": (403, "SignatureDoesNotMatch", _MISMATCH + "key and signing method."),
        "denied": (403, "AccessDenied", "Access Denied"),
    },
    "query": {
        "missing": (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        "malformed": (400, "IncompleteSignature", ""),
        "date": (
            400,
            "IncompleteSignature",
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ),
        "scope": (403, "SignatureDoesNotMatch", ""),
        "unknown": (403, "InvalidClientTokenId", _INVALID),
        "token": (403, "InvalidClientTokenId", _INVALID),
        "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
        "skewed": (403, "SignatureDoesNotMatch", ""),
        "url expired": (400, "RequestExpired", "Request has expired"),
        "unsigned": (403, "SignatureDoesNotMatch", ""),
        "signature": (403, "SignatureDoesNotMatch", _MISMATCH + "AWS Secret Access Key and signing method."),
        "denied": (403, "AccessDenied", ""),
    },
    "json": {
        "missing": (400, "MissingAuthenticationTokenException", "Request is missing Authentication Token"),
        "malformed": (400, "IncompleteSignatureException", ""),
        "date": (
            400,
            "IncompleteSignatureException",
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ),
        "scope": (400, "InvalidSignatureException", ""),
        "unknown": (400, "UnrecognizedClientException", _INVALID),
        "token": (400, "UnrecognizedClientException", _INVALID),
        "expired": (400, "ExpiredTokenException", "The security token included in the request is expired"),
        "skewed": (400, "InvalidSignatureException", ""),
        "url expired": (400, "InvalidSignatureException", "Request has expired"),
        "unsigned": (400, "InvalidSignatureException", ""),
        "signature": (400, "InvalidSignatureException", _MISMATCH + "AWS Secret Access Key and signing method."),
        "denied": (400, "AccessDeniedException", ""),
    },
}
"""HTTP status, code and message, by protocol. Kinds that only S3 distinguishes are ``malformed`` elsewhere."""


def protocol(service: str) -> str:
    """Return ``s3``, ``query`` or ``json``."""
    return "s3" if service == "s3" else "query" if service in QUERY_SERVICES else "json"


def refusal(service: str, kind: str, message: str = "", /, **members: object) -> AWSError:
    """Return a service's answer to a request that it refuses.

    :param message: in place of the kind's own message.
    :param members: further elements of S3's answer. Other services have none.
    """
    kinds = _REFUSALS[protocol(service)]
    status, code, text = kinds.get(kind, kinds["malformed"])
    error = AWSError(message or text, **(members if service == "s3" else {}))
    error.status, error.code = status, code
    return error
