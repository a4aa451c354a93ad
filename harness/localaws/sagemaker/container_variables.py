"""Environment variables of requests that containers do not get.

A container is a process of this machine here, and not isolated. On AWS a variable such as ``PYTHONPATH`` or
``LD_PRELOAD`` controls code inside the container only. Here it would run code as the user of the local AWS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.localaws.exceptions import ValidationException

_HARMLESS = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONFAULTHANDLER",
    "PYTHONHASHSEED",
    "PYTHONIOENCODING",
    "PYTHONUNBUFFERED",
    "PYTHONUTF8",
)
"""Variables of Python that load no code: https://docs.python.org/3/using/cmdline.html#environment-variables"""
_REFUSED = re.compile(
    "|".join(
        (
            # dynamic loaders and C libraries: ld.so(8), dyld(1)
            r"LD_.*|_RLD.*|DYLD_.*|GCONV_PATH|GLIBC_TUNABLES|LOCPATH|NLSPATH|MALLOC_.*|RESOLV_HOST_CONF|HOSTALIASES",
            r"OPENSSL_.*|OMP_TOOL.*|CUDA_INJECTION.*",
            # interpreters
            r"PYTHON.*|PERL5.*|RUBY.*|NODE_.*|LUA_.*|R_.*|JULIA_.*|CLASSPATH|JAVA_HOME|JAVA_OPTS|MPL.*",
            r"JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS|MAVEN_.*|DOTNET_.*|PHP.*|GEM_.*|PERLLIB|GIT_.*|PIP_.*",
            r".*_?PYTHONPATH|GUNICORN_.*|UWSGI_.*|UVICORN_.*|FLASK_.*|PYSPARK_.*|SPARK_.*|IPYTHON.*|COVERAGE_.*|KERAS_.*",
            # shells
            r"BASH.*|ENV|SHELLOPTS|PS4|PROMPT_COMMAND|IFS|ZDOTDIR|CDPATH",
            # search paths of programs and files
            r"PATH|HOME|TMPDIR|TEMP|TMP|VIRTUAL_ENV|XDG_.*",
            # the harness's variables, and those that keep AWS clients from a real account
            r"HARNESS_.*|SAGEMAKER_BASE_DIR|SAGEMAKER_BIND_TO_PORT",
            r"(?i:.*_PROXY)|LOCALDOMAIN|AWS_DATA_PATH|AWS_CA_BUNDLE|(?:REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_.*|SSLKEYLOGFILE",
            r"AWS_ENDPOINT_URL.*|AWS_IGNORE_.*|AWS_CONFIG_FILE|AWS_SHARED_CREDENTIALS_FILE|AWS_CREDENTIAL_.*",
            r"AWS_CONTAINER_.*|AWS_WEB_IDENTITY_TOKEN_FILE|AWS_ROLE_ARN|AWS_EC2_METADATA_.*|AWS_(?:DEFAULT_)?PROFILE",
        )
    )
)


def check_variables(names: Iterable[str]) -> None:
    """Raise :class:`ValidationException` if there are variables that containers do not get. It names them."""
    refused = sorted(name for name in names if _REFUSED.fullmatch(name) and name not in _HARMLESS)
    if refused:
        raise ValidationException(
            f"The local AWS does not pass {', '.join(refused)} to a container: its containers are processes of this "
            "machine, and such a variable would choose the code, files or network of yours. Set it in the command that "
            "you register for the image."
        )
