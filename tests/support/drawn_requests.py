"""Requests drawn from botocore's models, sent to a local AWS and answered, as a client sends and reads them."""

import json
import re
import time
from typing import NamedTuple
from urllib.parse import quote, urlencode

import botocore.parsers
from hypothesis import strategies as st

from harness.localaws.api_models import _as_python, service_model
from tests.support.proxied import tunnel

HOSTS = {
    "iam": "iam.amazonaws.com",
    "logs": "logs.us-east-1.amazonaws.com",
    "pricing": "api.pricing.us-east-1.amazonaws.com",
    "resourcegroupstaggingapi": "tagging.us-east-1.amazonaws.com",
    "sagemaker": "api.sagemaker.us-east-1.amazonaws.com",
    "sagemaker-runtime": "runtime.sagemaker.us-east-1.amazonaws.com",
    "service-quotas": "servicequotas.us-east-1.amazonaws.com",
    "sts": "sts.us-east-1.amazonaws.com",
}
JUNK = [None, True, -1, 0, 2**63, 1.5, "", " ", "\x00", "ü" * 3, "a" * 300, [], {}, [None], [[]], {"Novelty": 1}, "NaN"]
"""Values of wrong types and sizes."""
BODIES = [b"", b"[]", b"[1]", b"null", b"1", b'"x"', b"{", b"\xff\xfe", b"{}x", b"[" * 5000, b'{"a": NaN}', b"\xbf\x01"]
"""Bodies that are not the structure that an operation takes."""
_NUMBERS = ("integer", "long", "float", "double")


class Answer(NamedTuple):
    """An answer, as botocore's parser reads it."""

    status: int
    content: dict
    seconds: float

    @property
    def code(self):
        return self.content.get("Error", {}).get("Code", "")


# --- drawing ----------------------------------------------------------------------------------------------------------


class Drawing:
    """Draws requests. Names of what exists are drawn as often as others."""

    def __init__(self, existing):
        """Draw with existing names, by member: ``{"ModelName": ["known"]}``."""
        self._existing = existing
        self._known = {}

    def requests(self, service, operation):
        """Return a strategy for the parameters of an operation: valid ones, some broken in one place."""
        key = service, operation
        if key not in self._known:
            shape = service_model(service).operation_model(operation).input_shape
            few, all_ = (self._structure(shape, optional) if shape else st.just({}) for optional in ("none", "all"))
            some = self._structure(shape, "some") if shape else st.just({})
            valid = st.one_of(few, some, all_)
            self._known[key] = st.one_of(valid, valid.flatmap(broken))
        return self._known[key]

    def _structure(self, shape, optional, depth=0):
        required = {name: self._value(shape.members[name], name, optional, depth) for name in shape.required_members}
        if depth > 3 or optional == "none":
            return st.fixed_dictionaries(required)
        others = {
            name: self._value(member, name, "none" if depth else optional, depth)
            for name, member in shape.members.items()
            if name not in required
        }
        if optional == "all":
            return st.fixed_dictionaries(required | others)
        return st.fixed_dictionaries(required, optional=others)

    def _value(self, shape, name, optional, depth):
        kind, least = shape.type_name, shape.metadata.get("min", 0)
        if kind == "structure":
            return self._structure(shape, optional, depth + 1)
        if kind == "list":
            item = self._value(shape.member, name, optional, depth + 1)
            return st.lists(item, min_size=int(least), max_size=max(1, int(least)))
        if kind == "map":
            key, value = (self._value(each, name, optional, depth + 1) for each in (shape.key, shape.value))
            return st.dictionaries(key, value, max_size=1)
        if kind in _NUMBERS:
            first = int(least)
            return st.integers(first, min(int(shape.metadata.get("max", first + 3)), first + 3))
        if kind == "string":
            return st.sampled_from(self._existing[name]) | text(shape) if name in self._existing else text(shape)
        return {"boolean": st.booleans(), "timestamp": st.integers(0, 2_000_000_000), "blob": st.just("YQ==")}[kind]


def text(shape):
    """Return a strategy for the texts that a shape allows."""
    least, most = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 64))
    if shape.metadata.get("enum"):
        return st.sampled_from(shape.metadata["enum"])
    pattern = shape.metadata.get("pattern")
    compiled = _as_python(pattern) if pattern else None
    plain = ["a" * max(least, 1), "A1-b" if least <= 4 <= most else "a" * max(least, 1), "arn:aws:s3:::b"]
    plain += [
        "arn:aws:iam::123456789012:role/r",
        "arn:aws:sagemaker:us-east-1:123456789012:model/none",
        "s3://b/k",
        "1",
    ]
    fitting = [each for each in plain if least <= len(each) <= most and (not compiled or compiled.fullmatch(each))]
    if fitting:
        return st.sampled_from(fitting)
    drawn = st.from_regex(compiled, fullmatch=True) if compiled else st.text(min_size=least, max_size=least + 3)
    return drawn.map(lambda found: found[:most])


def places(value, path=()):
    """Yield the path of each member of a request, at every depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield (*path, key)
        yield from places(member, (*path, key))


def broken(request):
    """Return a strategy for a request with junk in one place, or with a member that no model has."""
    found = list(places(request))
    wrong = st.just((("Novelty",), 1))
    if found:
        wrong |= st.tuples(st.sampled_from(found), st.sampled_from(JUNK))
    return wrong.map(lambda change: changed(request, *change))


def changed(value, path, junk):
    """Return a copy of a request with another value at a path."""
    if not path:
        return junk
    copy = value.copy()
    copy[path[0]] = changed(copy.get(path[0], {}) if isinstance(copy, dict) else copy[path[0]], path[1:], junk)
    return copy


# --- sending ----------------------------------------------------------------------------------------------------------


class Wire:
    """Connections to the services of a local AWS."""

    def __init__(self, aws):
        self._aws = aws
        self._connections = {}

    def call(self, service, operation, parameters):
        """Send an operation's parameters, and return the answer."""
        model = service_model(service)
        target = {"X-Amz-Target": f"{model.metadata.get('targetPrefix')}.{operation}"}
        if service in ("iam", "sts"):
            form = {"Action": operation, "Version": model.api_version, **dict(fields(parameters))}
            return self.send(service, operation, "/", {"Content-Type": "application/x-www-form-urlencoded"},
                             urlencode(form, errors="replace").encode())  # fmt: skip
        if service == "sagemaker-runtime":
            path, headers = invocation(operation, parameters)
            return self.send(service, operation, path, headers, b"1,2")
        return self.send(service, operation, "/", target, json.dumps(parameters).encode())

    def body(self, service, operation, body):
        """Send a body as it is."""
        target = f"{service_model(service).metadata.get('targetPrefix')}.{operation}"
        return self.send(service, operation, "/", {"X-Amz-Target": target}, body)

    def send(self, service, operation, path, headers, body):
        connection = self._connections.get(service) or tunnel(self._aws, HOSTS[service])
        self._connections[service] = connection
        began = time.monotonic()
        connection.request("POST", path, body, {"Content-Type": "application/x-amz-json-1.1", **headers})
        response = connection.getresponse()
        content, seconds = response.read(), time.monotonic() - began
        return Answer(response.status, parsed(service, operation, response, content), seconds)


def parsed(service, operation, response, content):
    """Return an answer's content as botocore reads it.

    :raises ResponseParserError: botocore cannot read it.
    """
    model = service_model(service)
    protocol = {"iam": "query", "sts": "query", "sagemaker-runtime": "rest-json"}.get(service, "json")
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = {"status_code": response.status, "headers": headers, "body": content}
    shape = model.operation_model(operation).output_shape
    if protocol == "rest-json" and response.status < 400:
        return {"Body": content}
    return botocore.parsers.create_parser(protocol).parse(answer, shape)


def fields(value, path=""):
    """Yield the fields of a form for a value, as the query protocol names them."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from fields(member, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, member in enumerate(value, 1):
            yield from fields(member, f"{path}.member.{number}")
    else:
        yield (
            path,
            {True: "true", False: "false", None: ""}.get(value, str(value))
            if value in (None, True, False)
            else str(value),
        )


def invocation(operation, parameters):
    """Return path and headers of an invocation."""
    members = service_model("sagemaker-runtime").operation_model(operation).input_shape.members
    headers = {
        member.serialization["name"]: re.sub(r"[^ -~]", "?", str(parameters[name]))
        for name, member in members.items()
        if member.serialization.get("location") == "header" and parameters.get(name) is not None
    }
    end = {"InvokeEndpoint": "invocations", "InvokeEndpointAsync": "async-invocations"}
    name = quote(str(parameters.get("EndpointName", "e")), safe="")
    return f"/endpoints/{name or 'e'}/{end.get(operation, 'invocations-response-stream')}", headers


def missing(shape, content, path=""):
    """Yield the required members that an answer lacks, at every depth."""
    if shape is None or content is None:
        return
    if shape.type_name == "structure":
        yield from (f"{path}.{name}" for name in shape.required_members if content.get(name) is None)
        for name, member in shape.members.items():
            yield from missing(member, content.get(name), f"{path}.{name}")
    elif shape.type_name == "list":
        for item in content:
            yield from missing(shape.member, item, f"{path}[]")
    elif shape.type_name == "map":
        for item in content.values():
            yield from missing(shape.value, item, f"{path}{{}}")
