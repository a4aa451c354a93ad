"""A request as moto is asked: by the operation that was decided on, whatever else the request says."""

import pytest

from harness.localaws.http.moto_proxy import is_form, moto_body, moto_scope
from harness.localaws.http.request import Request

FORM = "application/x-www-form-urlencoded"


def asked(host, path="/", method="POST", query=b"", **headers):
    """A request to a host, with headers whose names have _ for -."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"method": method, "path": path, "raw_path": path.encode(), "query_string": query}
    return Request({**scope, "headers": [(name.encode(), value.encode()) for name, value in named.items()]}, None)


def to_moto(request, body=b"body"):
    """The scope of the request to moto, and its headers."""
    scope = moto_scope(request, request.scope["method"], request.headers, body)
    return scope, {name.decode(): value.decode() for name, value in scope["headers"]}


def test_headers_from_which_moto_reads_an_operation_or_an_account_are_not_passed_on():
    deceiving = {"x_amz_target": "a.b", "user_agent": "command#s3", "x_moto_account_id": "1", "transfer_encoding": "x"}
    _, headers = to_moto(asked("logs.eu-west-1.amazonaws.com", x_amz_date="now", **deceiving))
    assert headers.keys() == {"host", "x-amz-date", "content-length", "content-type"}
    assert headers["content-length"] == "4"


@pytest.mark.parametrize(
    ("host", "passed"),
    [
        ("logs.eu-west-1.amazonaws.com", "logs.eu-west-1.amazonaws.com"),
        ("servicequotas.us-east-1.amazonaws.com", "servicequotas.us-east-1.amazonaws.com"),
        ("tagging.eu-west-1.amazonaws.com", "tagging.eu-west-1.amazonaws.com"),
        ("bucket.s3.cn-north-1.amazonaws.com.cn", "s3.cn-north-1.amazonaws.com.cn"),
        ("sts.amazonaws.com", "sts.us-east-1.amazonaws.com"),
    ],
)
def test_the_host_that_moto_sees_names_service_and_region_alone(host, passed):
    scope, headers = to_moto(asked(host))
    assert headers["host"] == passed
    assert scope["service"] == asked(host).host.service


def test_a_bucket_in_the_hosts_name_moves_into_the_path():
    request = asked("my.bucket.s3.eu-west-1.amazonaws.com", "/a/b", "GET")
    scope, _ = to_moto(request)
    assert (scope["path"], scope["raw_path"]) == ("/my.bucket/a/b", b"/my.bucket/a/b")
    scope, _ = to_moto(asked("s3.eu-west-1.amazonaws.com", "/b/k", "GET"))
    assert (scope["path"], scope["raw_path"], scope["method"]) == ("/b/k", b"/b/k", "GET")


@pytest.mark.parametrize(("method", "query", "passed"), [("PUT", b"", FORM), ("PUT", b"tagging", "application/xml")])
def test_a_form_reaches_moto_only_where_s3_keeps_it(method, query, passed):
    _, headers = to_moto(asked("b.s3.eu-west-1.amazonaws.com", "/k", method, query, content_type=FORM))
    assert headers["content-type"] == passed
    _, headers = to_moto(asked("b.s3.eu-west-1.amazonaws.com", "/k", method, query, content_type="text/plain"))
    assert headers["content-type"] == "text/plain"


def test_an_operation_of_the_query_protocol_is_in_the_form_alone():
    request = asked("iam.amazonaws.com", "/x", "GET", b"Action=DeleteRole")
    scope, headers = to_moto(request)
    assert (scope["method"], scope["path"], scope["raw_path"], scope["query_string"]) == ("POST", "/", b"/", b"")
    assert headers["content-type"] == f"{FORM}; charset=utf-8"
    assert moto_body(request, {"Action": "GetRole", "RoleName": "r"}, b"Action=DeleteRole") == (
        b"Action=GetRole&RoleName=r"
    )


def test_an_operation_of_json_is_in_the_query_alone():
    request = asked(
        "logs.eu-west-1.amazonaws.com", "/x", "GET", b"Action=Other", x_amz_target="Logs_20140328.GetLogEvents"
    )
    scope, headers = to_moto(request)
    assert scope["query_string"] == b"Action=GetLogEvents"
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("POST", "/", b"/")
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert moto_body(request, {}, b"{}") == b"{}"


def test_a_request_of_rpc_keeps_its_path():
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    scope, headers = to_moto(asked("logs.eu-west-1.amazonaws.com", path, content_type="application/cbor"))
    assert (scope["path"], scope["query_string"]) == (path, b"Action=PutMetricData")
    assert headers["content-type"] == "application/cbor"


@pytest.mark.parametrize(
    ("method", "body"), [("GET", b""), ("HEAD", b""), ("DELETE", b""), ("PUT", b"x"), ("POST", b"x")]
)
def test_a_request_of_s3_has_a_body_only_if_its_method_has_one(method, body):
    assert moto_body(asked("b.s3.eu-west-1.amazonaws.com", "/k", method), {}, b"x") == body


@pytest.mark.parametrize(
    ("content_type", "form"), [(FORM, True), ("Multipart/Form-Data; boundary=x", True), ("application/json", False)]
)
def test_a_form_is_reported_by_its_content_type(content_type, form):
    assert is_form({"content-type": content_type}) is form
    assert not is_form({})
