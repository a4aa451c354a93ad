"""HTTP connections to a local AWS, made by hand, as a client of its run makes them."""

import base64
import http.client
import ssl

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def password(local):
    """Return the header that proves to the gateway that a client belongs to the run."""
    credentials = f"harness:{local.connection.proxy_password}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def tunnel(local, host, headers=None, context=None):
    """Return an HTTPS connection to ``host`` through the gateway, connected with its first request.

    :param headers: of the CONNECT request; the password by default.
    """
    context = context or ssl.create_default_context(cafile=local.connection.pem)
    connection = http.client.HTTPSConnection("127.0.0.1", local.connection.port, context=context, timeout=20)
    connection.set_tunnel(host, 443, headers=password(local) if headers is None else headers)
    return connection


def plain(local):
    """Return an HTTP connection to the gateway."""
    return http.client.HTTPConnection("127.0.0.1", local.connection.port, timeout=20)


def ask(connection, method, path, headers=None, body=None):
    """Return an answer's status and text."""
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.status, response.read().decode()


def signed(local, method, url, headers):
    """Return the headers of a request to S3, signed by the role of the run; a body is not, unless they say so."""
    keys = local.connection.credentials
    caller = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"])
    request = AWSRequest(method, url, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"} | headers)
    SigV4Auth(caller, "s3", local.region).add_auth(request)
    return dict(request.headers)
