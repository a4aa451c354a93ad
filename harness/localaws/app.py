"""The ASGI application behind the gateway: each request goes to the part that answers for its service."""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qs

from harness.localaws.api_models import invalid, without_nulls
from harness.localaws.control.call_log import CallLog
from harness.localaws.control.fault_effects import act_before_call, seconds_stuck
from harness.localaws.control.faults import Faults
from harness.localaws.control.recording import RecordedAnswer
from harness.localaws.exceptions import AWSError, SerializationException
from harness.localaws.http import cbor, hosts
from harness.localaws.http.answers import HeldAnswer, send_answer, send_error, send_json
from harness.localaws.http.moto_proxy import MotoProxy, failed, moto_body
from harness.localaws.http.query_protocol import structure
from harness.localaws.http.request import LARGEST_BODY, QUERY_SERVICES, ClientGone, Receive, Request, Scope, Send
from harness.localaws.http.threads import Threads
from harness.localaws.iam.authorization import Authorization
from harness.localaws.moto_backend import MOTO_SERVICES, Services
from harness.localaws.register.refusal import check_invocation, check_operation, check_request
from harness.localaws.s3.cors import check_origin, comes_from_page
from harness.localaws.s3.proxy import S3Proxy
from harness.localaws.s3.rules.gate import with_ids
from harness.localaws.sagemaker.control_plane import ControlPlane
from harness.localaws.sagemaker.invocations import LARGEST_INVOCATION, Invocations
from harness.localaws.sagemaker.resources.call import Call

Operation = Callable[[str, dict[str, Any], str], dict[str, Any] | str]
"""Answers an operation by name, for parameters and a region, with JSON or with a text of XML."""
_LACKING: dict[str, dict[str, Any]] = {"DescribeModelPackageGroup": {"CreatedBy": {}}}
"""Members that AWS's answers have, and moto's lack, by operation."""
_THREADS = 32
_WAITING_THREADS = 128
log = logging.getLogger(__name__)


class LocalAWSApp:
    """Answers for every emulated host."""

    def __init__(
        self,
        services: Services,
        plane: ControlPlane,
        authorization: Authorization,
        own: Mapping[tuple[str, str], Operation],
        faults: Faults,
        calls: CallLog,
    ) -> None:
        """Answer with these parts.

        :param own: the operations, by service and name, that neither moto nor the control plane carries out.
        """
        self._services = services
        self._plane = plane
        self._authorization = authorization
        self._own = own
        self._faults = faults
        self._calls = calls
        self._threads = Threads("request", _THREADS)
        self._waiting = Threads("held", _WAITING_THREADS)  # not shared: calls that wait must not delay others
        self._moto = MotoProxy(services.wsgi(), MOTO_SERVICES, _THREADS)
        self._s3 = S3Proxy(services, self._moto, authorization, self._threads)
        self._invocations = Invocations(plane.endpoints.get, services.account_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and record the call."""
        request = Request(scope, receive)
        answer = RecordedAnswer(request, with_ids(send) if request.host.service == "s3" else send, self._calls)
        try:
            await self._answer_or_send_error(request, answer)
        except ClientGone:
            log.info("the client went away during %s", request.operation)
        finally:
            answer.record()

    async def _answer_or_send_error(self, request: Request, answer: RecordedAnswer) -> None:
        try:
            await self._answer(request, answer.send)
        except ClientGone:
            raise
        except AWSError as error:
            await send_error(request, answer.send, error)
        except Exception as error:
            if answer.status:
                raise
            await send_error(request, answer.send, self._unexpected(request, error))

    async def _answer(self, request: Request, send: Send) -> None:
        """Check the request, let its fault act, and let the part answer that answers for its service."""
        if not request.host.service:
            # The gateway checks the first request of a connection. Others on a plain connection end up here.
            self._calls.refuse(request.host_name)
            raise _refusal(request.host_name)
        request.check_unambiguous()
        if request.host.service == "s3":
            self._s3.check_place(request)
        if comes_from_page(request):
            await self._threads.run(check_origin, self._services, request)
        parameters = await _parameters(request)
        await self._authorization.check(request, parameters)
        request.fault = self._faults.take(request.operation, request.access_key)
        if request.fault:
            await act_before_call(request, request.fault)
        service, operation = request.host.service, request.operation
        if service != "s3":
            check_operation(service, operation)
        if service == "sagemaker-runtime":
            check_invocation(operation, request.headers)
            await self._invocations.answer(request, send)
        elif service == "s3":
            await self._s3.answer(request, send)
        elif own := self._own.get((service, operation)):
            _check(request, parameters)
            await self._call_own(own, request, parameters, send)
        elif service == "sagemaker" and self._plane.handles(operation, parameters, request.region):
            await self._call_control_plane(request, parameters, send)
        else:
            await self._call_moto(request, parameters, send)

    async def _call_moto(self, request: Request, parameters: dict[str, Any], send: Send) -> None:
        _check(request, parameters)
        if request.operation == "FilterLogEvents" and "logStreamNamePrefix" in parameters:
            parameters = self._with_stream_names(parameters, request.region)
        # Encoded again, so that moto gets what was checked: without nulls, and each member once.
        body = request.body_read if request.speaks_cbor else json.dumps(parameters).encode()
        answer = HeldAnswer()
        await self._moto.answer(request, answer.send, body=moto_body(request, parameters, body))
        if answer.status == 200 and request.operation in _LACKING:
            answer.rewrite(lambda content: json.dumps(json.loads(content) | _LACKING[request.operation]).encode())
        await answer.forward(send)

    def _with_stream_names(self, parameters: dict[str, Any], region: str) -> dict[str, Any]:
        """Return parameters of FilterLogEvents with the names of the streams in place of their prefix.

        moto does not read the prefix. AWS takes names or a prefix:
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
        """
        if parameters.get("logStreamNames"):
            raise invalid("logs", "Only one of logStreamNames and logStreamNamePrefix can be given.")
        group, prefix = parameters.get("logGroupName", ""), parameters["logStreamNamePrefix"]
        names = [name for name in self._services.log_streams(region, group) if name.startswith(prefix)]
        # A name that no stream can have finds nothing. moto would search all streams if there were none.
        return {**parameters, "logStreamNames": names or [":"]}

    async def _call_own(self, own: Operation, request: Request, parameters: dict[str, Any], send: Send) -> None:
        content = await self._threads.run(own, request.operation, parameters, request.region)
        if isinstance(content, str):
            await send_answer(send, 200, "text/xml", content.encode())
        else:
            await send_json(send, content)

    async def _call_control_plane(self, request: Request, parameters: dict[str, Any], send: Send) -> None:
        operation, agent = request.operation, request.headers.get("user-agent", "")
        may_wait = self._plane.may_wait(operation, agent)
        account = self._services.account_of(request.access_key)
        call = Call(parameters, request.region, account, may_wait, seconds_stuck(request.fault))
        threads = self._waiting if may_wait else self._threads
        await send_json(send, await threads.run(self._plane.call, operation, call))

    def _unexpected(self, request: Request, error: Exception) -> AWSError:
        """Return the answer to a request that the local AWS failed at."""
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            directory = self._services.directory
            free = shutil.disk_usage(directory).free
            # 400 is retried neither by the SDKs nor by S3A, which spends minutes on 507: waiting does not help.
            full = AWSError(
                f"The local AWS has no disk left in {directory} ({free:,} bytes free). "
                "Free some, or point TMPDIR elsewhere."
            )
            full.status, full.code = 400, "InsufficientStorage"
            return full
        log.exception("unexpected error", exc_info=error)
        return failed(request, repr(error))


async def _parameters(request: Request) -> dict[str, Any]:
    """Return the parameters in a request's body, unless the body is data to store or to pass on."""
    if request.host.service == "s3":
        return {}
    body = await request.body(LARGEST_INVOCATION if request.endpoint_name else LARGEST_BODY)
    if request.host.service == "sagemaker-runtime":
        return {}
    if request.host.service in QUERY_SERVICES:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        form = {name: values[0] for name, values in {**request.query, **fields}.items()}
        request.action = form.get("Action", "")
        return form
    if "cbor" in request.headers.get("content-type", ""):
        request.check_cbor()
        parameters = cbor.decoded(body)
    else:
        try:
            parameters = json.loads(body or b"{}", parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise SerializationException(f"The body is not JSON: {error}") from None
    if not isinstance(parameters, dict):
        raise SerializationException(f"The body is a {type(parameters).__name__}, not a structure.")
    return without_nulls(parameters)


def _check(request: Request, parameters: dict[str, Any]) -> None:
    """Raise :class:`AWSError` if a request breaks a rule of AWS, or has a member that is refused."""
    service, operation = request.host.service, request.operation
    is_form = service in QUERY_SERVICES
    check_request(service, operation, structure(service, operation, parameters) if is_form else parameters)


def _refuse_constant(name: str) -> NoReturn:
    raise SerializationException(f"The body is not JSON: {name} is not a number.")


def _refusal(host: str) -> AWSError:
    error = AWSError(f"The local AWS does not emulate {host}; it emulates {', '.join(hosts.SERVICES)}.")
    error.status, error.code = 403, "AccessDenied"
    return error
