"""The errors the local AWS answers with, in the codes and words of AWS.

Codes are those of https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html and of each
operation's page.
"""

from __future__ import annotations


class AWSError(Exception):
    """An error answer: HTTP status, code and message, and further members of the answer's body."""

    status = 400
    code = "InternalFailure"

    def __init__(self, message: str, **members: object) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


class SerializationException(AWSError):
    """The request is not what the operation's model describes."""

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
    """The operation is one of S3's that is not emulated. S3 has this code with the status 501, which SDKs try again."""

    code = "NotImplemented"


class ContentMismatch(AWSError):
    """A body in S3 is not the one that was signed.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """

    code = "XAmzContentSHA256Mismatch"


class MalformedXML(AWSError):
    """A body that S3 reads is not the XML that the operation takes."""

    code = "MalformedXML"


class UnknownOperation(AWSError):
    """The host's service has no operation of that name, or it is not emulated."""

    code = "UnknownOperationException"


class ResourceInUse(AWSError):
    """A resource of that name exists."""

    code = "ResourceInUse"


class ValidationError(AWSError):
    """The request breaks a rule (SageMaker's runtime)."""

    code = "ValidationError"


class IncompleteBody(AWSError):
    """The body of an upload to S3 is not coded as the request says.

    S3 answers so to every fault of the aws-chunked coding, be it a size, a line's end or the end of the body:
    https://github.com/versity/versitygw/issues/1666 and https://github.com/versity/versitygw/issues/1685 show it.
    """

    code = "IncompleteBody"


class RequestTooLarge(AWSError):
    """The body of an invocation is larger than SageMaker takes."""

    status = 413
    code = "RequestEntityTooLarge"


class ModelError(AWSError):
    """The container answered an invocation with an error, or not at all.

    See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """

    status = 424
    code = "ModelError"


class ServiceUnavailable(AWSError):
    """No instance of the endpoint can take the request just now."""

    status = 503
    code = "ServiceUnavailable"
