"""Invocations of endpoints: InvokeEndpoint from its request to its answer.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from harness.localaws.control.fault_effects import kills_container
from harness.localaws.exceptions import ModelError, ValidationError
from harness.localaws.http.answers import send_answer
from harness.localaws.http.request import Request, Send
from harness.localaws.http.threads import Threads
from harness.localaws.sagemaker.hosting.endpoint import Endpoint, Variant
from harness.localaws.sagemaker.hosting.instance import INVOCATION_SECONDS, ContainerAnswer

LARGEST_INVOCATION = 6_291_456
"""Bytes; see "Payload size" in https://docs.aws.amazon.com/general/latest/gr/sagemaker.html"""
_OWN_HEADERS = "x-amzn-sagemaker-"
"""Prefix of SageMaker headers, which containers get and may answer with."""
_THREADS = 128


class Invocations:
    """Answers InvokeEndpoint."""

    def __init__(self, find_endpoint: Callable[[str, str], Endpoint | None], account_of: Callable[[str], str]) -> None:
        """Invoke the endpoints that ``find_endpoint`` returns for a region and a name.

        :param account_of: returns the account that an access key belongs to.
        """
        self._find_endpoint = find_endpoint
        self._account_of = account_of
        self._threads = Threads("invocation", _THREADS)  # not shared: a slow model must not delay other requests

    async def answer(self, request: Request, send: Send) -> None:
        """Answer one invocation, whose body was read.

        :raises AWSError: as AWS would answer.
        """
        endpoint = self._endpoint(request)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in ("content-type", "accept") or name.startswith(_OWN_HEADERS)
        }
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        dies = kills_container(request.fault)
        began = time.perf_counter()
        answer, variant = await self._threads.run(invoke, endpoint, request.body_read, headers, target, dies)
        request.model_seconds = time.perf_counter() - began
        custom = {name: value for name, value in answer.headers.items() if name.lower().startswith(_OWN_HEADERS)}
        headers = {"x-amzn-invoked-production-variant": variant.name, **custom}
        await send_answer(send, answer.status, answer.content_type or "application/octet-stream", answer.body, headers)

    def _endpoint(self, request: Request) -> Endpoint:
        name = request.endpoint_name
        if not name:
            raise ValidationError(f"The local AWS does not emulate {request.scope['method']} {request.path}.")
        endpoint = self._find_endpoint(request.region, name)
        if endpoint is None or not endpoint.variants or endpoint.status == "Deleting":
            raise ValidationError(f"Endpoint {name} of account {self._account_of(request.access_key)} not found.")
        return endpoint


def invoke(
    endpoint: Endpoint, body: bytes, headers: Mapping[str, str], target: str | None, dies: bool = False
) -> tuple[ContainerAnswer, Variant]:
    """Pass an invocation to an instance, and return its answer and its variant.

    :param target: name of the variant that the caller asks for, if any.
    :param dies: kill the instance while it has the request.
    :raises AWSError: no instance is up, none answered, or the answer is an error.
    """
    variant, instance = endpoint.take_instance(target)
    try:
        answer = instance.invoke(body, headers, INVOCATION_SECONDS, dies=dies)
    except TimeoutError:
        raise _model_error(
            endpoint,
            0,
            "Your invocation timed out while waiting for a response from container primary. Review the latency "
            "metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
        ) from None
    except OSError as error:
        raise _model_error(endpoint, 0, f"The container ended before it answered ({error}).") from None
    finally:
        instance.hold(-1)
    if answer.status >= 400:
        raise _model_error(endpoint, answer.status, answer.body.decode(errors="replace"))
    return answer, variant


def _model_error(endpoint: Endpoint, status: int, message: str) -> ModelError:
    """Return SageMaker's error for a container's error answer; its status is 0 if there was no answer."""
    account = endpoint.arn.split(":")[4]
    group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
    kind = "client" if 400 <= status < 500 else "server"
    return ModelError(
        f'Received {kind} error ({status}) from primary with message "{message}". See '
        f"https://{endpoint.region}.console.aws.amazon.com/cloudwatch/home?region={endpoint.region}"
        f"#logEventViewer:group={group} in account {account} for more information.",
        ErrorCode="CLIENT_ERROR_FROM_MODEL" if kind == "client" else "INTERNAL_FAILURE_FROM_MODEL",
        LogStreamArn=f"{':'.join(endpoint.arn.split(':')[:2])}:logs:{endpoint.region}:{account}:log-group:{group}",
        OriginalMessage=message,
        OriginalStatusCode=status,
    )
