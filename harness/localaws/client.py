"""Clients' way to the local AWS: environment variables, JVM options, and the control API."""

from __future__ import annotations

import http.client
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import LocalAWSError
from harness.java import OPTIONS_FILE
from harness.localaws.control.api import TOKEN_HEADER
from harness.localaws.http.certificates import TRUST_STORE_PASSWORD

PROXY_USER = "harness"
"""The user name of the proxy's password."""
MARK = "HARNESS_LOCAL_AWS"
"""Variable that is set where AWS clients are redirected to a local AWS. Real mode refuses to start if it is set."""
_CONTROL_SECONDS = 60
_JVM_OPTIONS = "jvm.options"
_OTHER_SOURCES = (
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Further variables in which boto3 and the Java SDK look for credentials, or for their expiry."""


@dataclass(frozen=True)
class Connection:
    """A running local AWS, as its process announces it."""

    port: int
    token: str
    """Opens the control API."""
    proxy_password: str
    """Opens the proxy: only clients of this run know it."""
    run_id: str
    region: str
    account: str
    role: str
    credentials: dict[str, str]
    directory: str
    pem: str
    trust_store: str
    pid: int
    administrator: dict[str, str] = field(default_factory=dict)
    """Credentials of an administrator, as environment variables, if permissions are enforced; else empty."""

    @classmethod
    def from_json(cls, text: str) -> Connection:
        """Return the connection that :meth:`to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return the connection as one line of JSON."""
        return json.dumps(asdict(self))

    @property
    def proxy(self) -> str:
        """The gateway's address without its password, to be shown and compared."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def client_proxy(self) -> str:
        """The gateway's address with its password, as clients need it."""
        return f"http://{PROXY_USER}:{self.proxy_password}@127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the files that :meth:`environment` names: an empty AWS configuration, and the options of JVMs."""
        directory = Path(self.directory)
        (directory / "config").write_text("[default]\n")
        (directory / "credentials").write_text("")
        private = os.open(directory / _JVM_OPTIONS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(private, "w", encoding="utf-8") as file:
            file.write(shlex.join(self._system_properties()))

    def environment(self) -> dict[str, str]:
        """Return the variables that redirect every AWS client here, and none to the user's account."""
        return {
            **self.outside_environment(self.credentials),
            # Nor must a client find the user's credentials under other names: Java prefers AWS_SECRET_KEY.
            **dict.fromkeys(_OTHER_SOURCES, ""),
            "AWS_ACCESS_KEY": self.credentials["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_KEY": self.credentials["AWS_SECRET_ACCESS_KEY"],
            "AWS_SECURITY_TOKEN": self.credentials["AWS_SESSION_TOKEN"],
            "AWS_CREDENTIAL_PROFILES_FILE": str(Path(self.directory) / "credentials"),
            MARK: self.proxy,
            # Marks every process of this run, so that all end with it.
            "HARNESS_RUN": self.run_id,
        }

    def outside_environment(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that redirect AWS clients here, in processes outside this run.

        :param credentials: the caller's variables: ``AWS_ACCESS_KEY_ID``, its secret, and its token if it has one.
        """
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), self.client_proxy)
        direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")
        trust = dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), self.pem)
        return {
            **proxies,
            **direct,
            **trust,
            **credentials,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            # Clients must not find the user's profile, files and endpoints.
            "AWS_PROFILE": "default",
            "AWS_DEFAULT_PROFILE": "default",
            "AWS_CONFIG_FILE": str(Path(self.directory) / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(Path(self.directory) / "credentials"),
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "JAVA_TOOL_OPTIONS": shlex.join(self.jvm_options()),
        }

    def jvm_options(self) -> list[str]:
        """Return the options that redirect the AWS clients of a JVM.

        They are in a file that only its owner can read. Every user of the machine can see a command line, and Java
        prints ``JAVA_TOOL_OPTIONS``. Java 8 cannot read such a file: see :func:`harness.java.options_for`.
        """
        return [f"{OPTIONS_FILE}{Path(self.directory) / _JVM_OPTIONS}"]

    def _system_properties(self) -> list[str]:
        return [
            "-Dhttps.proxyHost=127.0.0.1",
            f"-Dhttps.proxyPort={self.port}",
            "-Dhttp.proxyHost=127.0.0.1",
            f"-Dhttp.proxyPort={self.port}",
            *(f"-D{scheme}.proxyUser={PROXY_USER}" for scheme in ("https", "http")),
            *(f"-D{scheme}.proxyPassword={self.proxy_password}" for scheme in ("https", "http")),
            "-Dhttp.nonProxyHosts=localhost|127.*|[::1]",
            f"-Djavax.net.ssl.trustStore={self.trust_store}",
            "-Djavax.net.ssl.trustStoreType=PKCS12",
            f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
        ]

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Call the control API and return its answer.

        :raises LocalAWSError: it does not answer, or refuses.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CONTROL_SECONDS)
        try:
            connection.request(method, path, json.dumps(content or {}), {TOKEN_HEADER: self.token})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LocalAWSError(
                f"The local AWS does not answer {method} {path}: {error}.",
                checked=f"port {self.port} of 127.0.0.1, process {self.pid}",
                fix="start it again; if it ended by itself, its last output names the reason",
            ) from error
        finally:
            connection.close()
        if response.status != 200:
            raise LocalAWSError(f"The local AWS refused {method} {path}: {answer['error']}.")
        return answer
