"""Credentials that boto3 found, shared with a JVM and child processes and renewed while they run.

According to the jars (javap; aws-java-sdk-bundle 1.11.901, hadoop-aws 3.3.1), the SDK's clients read the environment,
system properties, a web identity token, the profile, and the container or instance. S3A reads the environment and the
container or instance only. Neither supports SSO, and S3A supports no profile. Both support
``AWS_CONTAINER_CREDENTIALS_FULL_URI`` on loopback, as boto3 and the AWS CLI do. Credentials that Java cannot find are
served there.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.credentials import ContainerProvider, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from harness.scratch import Scratch, make_scratch

PROFILE = "sagemaker-spark-harness"
"""Profile for child processes: the caller's profile without the caller's credentials."""
_RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
_PATH = "/credentials"
_UNKNOWN_LIFE = timedelta(minutes=10)
"""Shortest remaining life of credentials from boto3, which renews those that live less."""
_OF_CREDENTIALS = {
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_process",
    "credential_source",
    "duration_seconds",
    "external_id",
    "login_session",
    "mfa_serial",
    "role_arn",
    "role_session_name",
    "source_profile",
    "web_identity_token_file",
}
"""Keys of a profile that name a source of credentials. Keys that begin with ``sso_`` do so too."""


def session_of(environment: Mapping[str, str], region: str) -> boto3.Session:
    """Return a session with the default credential chain, bound to the profile and files of the environment.

    boto3 reads the environment each time it needs it. This process's environment will point to
    :class:`SharedCredentials`, and a session that asked itself for its credentials would never renew them.
    """
    session = botocore.session.Session(
        {
            # botocore's names, in its order
            "profile": (None, None, environment.get("AWS_DEFAULT_PROFILE") or environment.get("AWS_PROFILE"), None),
            "config_file": (None, None, config_file(environment), None),
            "credentials_file": (
                None,
                None,
                environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
                None,
            ),
        }
    )
    chain = session.get_component("credential_provider")
    chain.insert_after(ContainerProvider.METHOD, ContainerProvider(environ=dict(environment)))
    chain.remove(ContainerProvider.METHOD)  # the first of the two
    return boto3.Session(botocore_session=session, region_name=region)


def config_file(environment: Mapping[str, str]) -> str:
    """Return the path of the AWS tools' configuration file."""
    return environment.get("AWS_CONFIG_FILE") or "~/.aws/config"


class SharedCredentials:
    """Environment variables that give a JVM and child processes the credentials of a session.

    Credentials that Java finds by itself (the role of an instance or container) stay as they are. Keys that do not
    change go into the environment. All others are served on loopback to holders of a token, and boto3 renews them.
    """

    def __init__(self, session: boto3.Session, environment: Mapping[str, str]) -> None:
        """Share the session's credentials, which must exist.

        :param environment: environment variables that the session was made with.
        """
        self._found = session.get_credentials()
        self._server: ThreadingHTTPServer | None = None
        self._scratch: Scratch | None = None
        if _java_finds_them(self._found.method, environment):
            self._variables = {
                name: environment[name] for name in (_RELATIVE_URI, _FULL_URI, _TOKEN) if name in environment
            }
        elif _is_renewed(self._found) and _RELATIVE_URI not in environment:
            self._variables = self._serve(session, environment)
        else:  # Java asks a container's address first, so its replacement has to come before that
            self._variables = _keys(self._found.get_frozen_credentials())

    def environment(self) -> dict[str, str]:
        """Return the variables."""
        return dict(self._variables)

    def close(self) -> None:
        """Stop serving credentials."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        if self._scratch:
            self._scratch.delete()

    def _serve(self, session: boto3.Session, environment: Mapping[str, str]) -> dict[str, str]:
        token = secrets.token_urlsafe(32)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._found, token))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="credentials", daemon=True).start()
        self._scratch = make_scratch("harness-credentials-")  # for its owner only
        config, token_file = self._scratch.path / "config", self._scratch.path / "token"
        config.write_text(_config(session, environment))
        token_file.write_text(token)
        return {
            _FULL_URI: f"http://127.0.0.1:{self._server.server_port}{_PATH}",
            _TOKEN: token,
            _TOKEN_FILE: str(token_file),  # a container's token file would be preferred to the token
            # Sources that come first in some chain must hold nothing.
            "AWS_PROFILE": PROFILE,
            "AWS_DEFAULT_PROFILE": PROFILE,
            "AWS_CONFIG_FILE": str(config),
            "AWS_WEB_IDENTITY_TOKEN_FILE": "",
            "AWS_ROLE_ARN": "",
        }


def _java_finds_them(method: str, environment: Mapping[str, str]) -> bool:
    if method == ContainerProvider.METHOD:
        loopback = environment.get(_FULL_URI, "").startswith(("http://127.0.0.1", "http://localhost"))
        return _RELATIVE_URI in environment or (loopback and _TOKEN_FILE not in environment)
    return method == "iam-role"


def _is_renewed(found: Any) -> bool:
    """Return whether boto3 renews these credentials. Those of the environment it would only read again."""
    return isinstance(found, RefreshableCredentials) and found.method != "env" and bool(found.token)


def _keys(found: ReadOnlyCredentials) -> dict[str, str]:
    """Return keys as environment variables, also in Java's second spelling, which it prefers for the secret."""
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), found.access_key)
    keys |= dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"), found.secret_key)
    return keys | ({"AWS_SESSION_TOKEN": found.token} if found.token else {})


def _config(session: boto3.Session, environment: Mapping[str, str]) -> str:
    """Return the caller's configuration file with one more profile: the caller's without its source of credentials."""
    path = Path(config_file(environment)).expanduser()
    given = path.read_text() if path.is_file() else ""
    profile = session._session.get_scoped_config()
    kept = {name: value for name, value in profile.items() if name not in _OF_CREDENTIALS and name[:4] != "sso_"}
    lines = [f"[profile {PROFILE}]"]
    for name, value in kept.items():
        nested = [f"  {key} = {text}" for key, text in value.items()] if isinstance(value, dict) else []
        lines += [f"{name} =", *nested] if nested else [f"{name} = {value}"]
    return "\n".join([given, *lines, ""])


def _handler(found: RefreshableCredentials, token: str) -> type[BaseHTTPRequestHandler]:
    """Return a handler that answers as the container credentials endpoint of ECS does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not secrets.compare_digest(self.headers.get("Authorization", ""), token) or self.path != _PATH:
                self._answer(403, {"code": "AccessDenied", "message": "These credentials are for one run only."})
                return
            try:
                self._answer(200, _as_container(found))
            except (BotoCoreError, ClientError, RuntimeError) as error:  # the last: the new ones have expired as well
                self._answer(500, {"code": type(error).__name__, "message": str(error)})

        def _answer(self, status: int, content: dict[str, str | None]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _as_container(found: RefreshableCredentials) -> dict[str, str | None]:
    """Return credentials, renewed if need be, in the form of ECS's endpoint."""
    frozen = found.get_frozen_credentials()
    # botocore has no public expiry time; if this private one goes, clients only ask more often
    ends = getattr(found, "_expiry_time", None) or datetime.now(timezone.utc) + _UNKNOWN_LIFE
    return {
        "AccessKeyId": frozen.access_key,
        "SecretAccessKey": frozen.secret_key,
        "Token": frozen.token,
        "Expiration": ends.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
