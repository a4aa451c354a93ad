"""Errors that the local AWS answers with, with AWS's codes and messages.

Codes are those of https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html and of each
operation's page.
"""

from __future__ import annotations


class AWSError(Exception):
    """An error answer: HTTP status, code, message, and further members of the answer's body."""

    status = 400
    code = "InternalFailure"

    def __init__(self, message: str, **members: object) -> None:
        super().__init__(message)
        self.message = message
        self.members = members
        self.headers: dict[str, str] = {}
        """Headers of the answer."""


class SerializationException(AWSError):
    """The request does not have the form that the operation's model describes."""

    code = "SerializationException"


class ValidationException(AWSError):
    """The request breaks a rule (SageMaker's control plane)."""

    code = "ValidationException"


class InvalidArgument(AWSError):
    """The request contradicts itself (S3, IAM, STS).

    See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """

    code = "InvalidArgument"


class NotImplementedByS3(AWSError):
    """The local AWS does not emulate the S3 operation. S3 uses this code with status 501, which SDKs retry."""

    code = "NotImplemented"


class ContentMismatch(AWSError):
    """A body sent to S3 differs from the one that was signed.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """

    code = "XAmzContentSHA256Mismatch"


class MalformedXML(AWSError):
    """A body sent to S3 is not the XML that the operation takes."""

    code = "MalformedXML"


class UnknownOperation(AWSError):
    """The service has no operation of that name."""

    code = "UnknownOperationException"


class NotEmulated(AWSError):
    """The local AWS does not emulate the operation. AWS has no such code, and no SDK retries it."""

    code = "NotEmulated"


class LocalAWSFault(AWSError):
    """The local AWS failed at a request that AWS would answer. AWS has no such code, and no SDK retries it."""

    code = "LocalAWSFault"


class ResourceInUse(AWSError):
    """A resource of that name exists."""

    code = "ResourceInUse"


class ValidationError(AWSError):
    """The request breaks a rule (SageMaker's runtime)."""

    code = "ValidationError"


class IncompleteBody(AWSError):
    """The body of an upload to S3 is not encoded as the request says.

    S3 gives this answer to every mistake in the aws-chunked encoding, in a size, at the end of a line or of the body:
    https://github.com/versity/versitygw/issues/1666 and https://github.com/versity/versitygw/issues/1685 show it.
    """

    code = "IncompleteBody"


class RequestTooLarge(AWSError):
    """The body of an invocation is larger than SageMaker takes."""

    status = 413
    code = "RequestEntityTooLarge"


class ModelError(AWSError):
    """The container answered an invocation with an error, or did not answer.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """

    status = 424
    code = "ModelError"


class ServiceUnavailable(AWSError):
    """No instance of the endpoint can take the request now."""

    status = 503
    code = "ServiceUnavailable"
