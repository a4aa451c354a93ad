"""Clients' way to the local AWS: environment variables, JVM options, and the control API."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import LocalAWSError
from harness.java import OPTIONS_FILE
from harness.localaws import profiles
from harness.localaws.control.api import TOKEN_HEADER
from harness.localaws.http.certificates import TRUST_STORE_PASSWORD
from harness.localaws.http.trust import trust_variables, write_bundles
from harness.regions import domains

PROXY_USER = "harness"
"""The user name of the proxy's password."""
ACCOUNT = "123456789012"
"""The local AWS's account, as in the examples in AWS's documentation, and moto's default:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html."""
MARK = "HARNESS_LOCAL_AWS"
"""Variable that is set where AWS clients are redirected to a local AWS. Real mode refuses to start if it is set."""
_CONTROL_SECONDS = 60
_JVM_OPTIONS = "jvm.options"
_NOT_SET = (
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Further variables in which boto3 and the Java SDK look for credentials, or for their expiry."""
_ELSEWHERE = re.compile(r"AWS_(CONTAINER|ENDPOINT|METADATA|PROXY)(_\w+)?")
"""Variables that point some client elsewhere. The store of polars and deltalake reads many:
https://docs.rs/object_store/latest/object_store/aws/enum.AmazonS3ConfigKey.html"""
_DIRECT = "localhost,127.0.0.1,::1"
_ROLE, _ADMINISTRATOR, _ANY_CALLER, _NO_CALLER = "role", "administrator", "any", "none"
"""Directories of profiles, by the caller that they are."""


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

    def prepare(self, environment: Mapping[str, str]) -> None:
        """Write the files that :meth:`environment` names: profiles, trusted authorities, and the options of JVMs.

        :param environment: variables of the user, which name the user's profiles and authorities.
        """
        self.write_profiles(environment)
        write_bundles(self._trust, Path(self.pem), environment)
        private = os.open(Path(self.directory) / _JVM_OPTIONS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(private, "w", encoding="utf-8") as file:
            file.write(shlex.join(self._system_properties()))

    def write_profiles(self, environment: Mapping[str, str]) -> None:
        """Write the profiles of AWS tools, under the names that a user's variables and files have."""
        names = profiles.profile_names(environment)
        callers = {_ROLE: self.credentials, _ADMINISTRATOR: self.administrator, _ANY_CALLER: {}}
        for caller, credentials in callers.items():
            profiles.write_profiles(self._profiles / caller, names, self.region, credentials)

    @property
    def _profiles(self) -> Path:
        return Path(self.directory) / "profiles"

    @property
    def _trust(self) -> Path:
        return Path(self.directory) / "trust"

    def environment(self) -> dict[str, str]:
        """Return the variables that redirect every AWS client here, and none to the user's account.

        One that is empty must not be set. See :meth:`redirected`.
        """
        return {
            **dict.fromkeys(_NOT_SET, ""),
            **self.outside_environment(self.credentials),
            # Nor must a client find the user's credentials under other names: Java prefers AWS_SECRET_KEY.
            "AWS_ACCESS_KEY": self.credentials["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_KEY": self.credentials["AWS_SECRET_ACCESS_KEY"],
            "AWS_SECURITY_TOKEN": self.credentials["AWS_SESSION_TOKEN"],
            MARK: self.proxy,
            # Marks every process of this run, so that all end with it.
            "HARNESS_RUN": self.run_id,
        }

    def redirected(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a copy of an environment in which AWS clients are redirected here.

        It lacks all variables that point clients elsewhere. An empty one would not do: botocore reads
        ``AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`` whatever its value. NO_PROXY keeps its hosts other than AWS's.
        """
        ours = self.environment() | direct_hosts(environment)
        kept = {name: value for name, value in environment.items() if name not in ours and not points_elsewhere(name)}
        return kept | {name: value for name, value in ours.items() if value}

    def outside_environment(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that redirect AWS clients here, in processes outside this run.

        :param credentials: the caller's variables: ``AWS_ACCESS_KEY_ID``, its secret, and its token if it has one.
        """
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), self.client_proxy)
        return {
            **proxies,
            **dict.fromkeys(("NO_PROXY", "no_proxy"), _DIRECT),
            **trust_variables(self._trust),
            **credentials,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            # Clients must not find the user's profile, files and endpoints.
            "AWS_PROFILE": "default",
            "AWS_DEFAULT_PROFILE": "default",
            **profiles.profile_variables(self._profiles / self._caller(credentials)),
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            # For clients that follow no proxy: pyarrow, and with it pandas. boto3 and the AWS CLI ignore it.
            # polars and deltalake read it too, and refuse plain HTTP otherwise.
            "AWS_ENDPOINT_URL_S3": self.proxy,
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "JAVA_TOOL_OPTIONS": shlex.join(self.jvm_options()),
        }

    def container_environment(self, region: str, credentials: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a container in a region that acts as a role. As on AWS, it has no profile.

        :param credentials: of the role.
        """
        given = {
            **self.outside_environment(credentials),
            **profiles.profile_variables(self._profiles / _NO_CALLER),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            MARK: self.proxy,
            "HARNESS_RUN": self.run_id,
        }
        return {name: value for name, value in given.items() if name not in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")}

    def _caller(self, credentials: Mapping[str, str]) -> str:
        known = {_ROLE: self.credentials, _ADMINISTRATOR: self.administrator}
        return next((caller for caller, keys in known.items() if keys == credentials), _ANY_CALLER)

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


def points_elsewhere(name: str) -> bool:
    """Return whether a variable points some AWS client to other credentials or to another AWS."""
    return name in _NOT_SET or _ELSEWHERE.fullmatch(name) is not None


def direct_hosts(environment: Mapping[str, str]) -> dict[str, str]:
    """Return NO_PROXY in both spellings: loopback, and the hosts in a user's NO_PROXY except AWS's."""
    given = [entry.strip() for name in ("no_proxy", "NO_PROXY") for entry in environment.get(name, "").split(",")]
    hosts = dict.fromkeys([*_DIRECT.split(","), *(entry for entry in given if not _covers_aws(entry))])
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(hosts))


def _covers_aws(entry: str) -> bool:
    """Return whether an entry of NO_PROXY is empty, or lets requests to an AWS host bypass the local AWS."""
    domain = re.sub(r":\d+$", "", entry.lower()).lstrip("*.")
    return not domain or any(
        f".{each}".endswith(f".{domain}") or f".{domain}".endswith(f".{each}") for each in domains()
    )
