"""Settings of the harness: one frozen object. Only this module reads them from options and the environment.

A setting called ``training_instance_type`` is ``--harness-training-instance-type`` on the command line,
``HARNESS_TRAINING_INSTANCE_TYPE`` in the environment and ``harness_training_instance_type`` in an ini file. The
command line wins over the environment, the environment over the ini file, and the ini file over the default. If none of
them names a region, it is that of the AWS tools: from their variables, then, in real mode, from their profile.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from harness.errors import SettingsError
from harness.regions import REGION

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


_KINDS = {int: "a whole number", float: "a number"}
_DEFAULT = "the default"
_NO_CI = ("", "0", "false")
"""Values of the variable ``CI`` outside of continuous integration."""


def _setting(default: Any, help: str, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": help, **metadata})


@dataclass(frozen=True)
class Settings:
    """Settings of a session. Read them with :func:`read_settings`, or build the object yourself."""

    mode: str = _setting("mock", "location of SageMaker: this machine or AWS", choices=("mock", "real"))
    region: str = _setting(
        "us-east-1", "AWS region", also=("AWS_REGION", "AWS_DEFAULT_REGION"), pattern=re.compile(REGION)
    )
    role: str | None = _setting(None, "IAM role (name or ARN) that SageMaker assumes in real mode")
    training_instance_type: str = _setting("ml.m4.xlarge", "instance type of training jobs", pattern=_INSTANCE_TYPE)
    training_instance_count: int = _setting(1, "instances of a training job", kind=int, least=1)
    endpoint_instance_type: str = _setting("ml.m4.xlarge", "instance type of endpoints", pattern=_INSTANCE_TYPE)
    endpoint_instance_count: int = _setting(1, "instances of an endpoint", kind=int, least=1)
    endpoint: str | None = _setting(None, "existing endpoint to use for trained_model in real mode")
    max_cost: float | None = _setting(
        None,
        "most that a run in real mode may cost, in USD; whatever could exceed it is not created",
        kind=float,
        least=0,
    )
    max_hours: float = _setting(
        2.0,
        "hours after which a run in real mode is ended and what it created is deleted",
        kind=float,
        least=0.1,
        most=672,  # SageMaker trains for at most 28 days (MaxRuntimeInSeconds in StoppingCondition's page)
    )
    prices: str | None = _setting(None, "JSON file of hourly prices, used instead of the AWS Price List")
    unrecorded: str = _setting(
        "fail",
        "result of a mock session that left resources that no ledger knows: fail, or warn",
        choices=("fail", "warn"),
    )
    fresh: str = _setting(
        "no",
        "start a local AWS and a JVM even where 'harness up' keeps them; by default if CI is set",
        choices=("no", "yes"),
        flag="yes",
    )
    model_cache: str = _setting(
        "on", "reuse of trained models in mock mode; off by default if CI is set", choices=("on", "off")
    )
    spark_master: str = _setting("local[*]", "Spark master")
    spark_conf: tuple[str, ...] = _setting(
        (),
        "option of Spark as NAME=VALUE; repeat it for more, or give one a line in a variable or an ini file",
        kind=_lines,
        each=re.compile(r"spark\.[^=\s]+=.*"),
    )
    train_rows: int = _setting(60_000, "MNIST rows to train on", kind=int, least=1, most=60_000)
    test_rows: int = _setting(10_000, "MNIST rows to predict", kind=int, least=1, most=10_000)

    _origins: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        for setting in dataclasses.fields(self):
            _check(setting, getattr(self, setting.name))

    @property
    def spark_options(self) -> dict[str, str]:
        """The options in ``spark_conf``, by name."""
        pairs = (line.partition("=") for line in self.spark_conf)
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def in_aws(self) -> bool:
        """True if a run's resources are in AWS, which bills for them; False if they are on this machine."""
        return self.mode == "real"

    @property
    def uses_kept(self) -> bool:
        """True to use an environment that ``harness up`` keeps."""
        return self.fresh == "no"

    @property
    def existing_endpoint(self) -> str | None:
        """The endpoint to use instead of a new one. None if there is none, as always in mock mode."""
        return self.endpoint if self.in_aws else None

    def origin(self, setting: str) -> str:
        """Return the source of a setting's value: an option, a variable, a key, a profile, or ``the default``."""
        return self._origins.get(setting, _DEFAULT)


_ONLY_IN_AWS = {"role": "has its own role", "endpoint": "starts without endpoints"}
"""Settings that mock mode cannot use, and the reason: it completes "the local AWS …"."""


def has_effect(settings: Settings, setting: str) -> bool:
    """Return whether a setting has an effect in the mode of the settings."""
    return settings.in_aws or setting not in _ONLY_IN_AWS


def refuse_without_effect(settings: Settings, typed: Mapping[str, str | None], prefix: str = "--") -> None:
    """Raise :class:`SettingsError` for an option on the command line that has no effect in mock mode.

    The same setting in the environment or an ini file is no error: it may be kept there for real mode.

    :param typed: setting name → text on the command line, or None if the option was not given.
    :param prefix: start of the command's options.
    """
    for name, value in typed.items():
        if value is not None and not has_effect(settings, name):
            option = prefix + name.replace("_", "-")
            raise SettingsError(
                f"{option} {value} has no effect in mock mode: the local AWS {_ONLY_IN_AWS[name]}.",
                fix=f"remove it, or choose {prefix}mode=real",
            )


def option_name(setting: str) -> str:
    """Return the command-line option of a setting: ``spark_master`` → ``--harness-spark-master``."""
    return "--harness-" + setting.replace("_", "-")


def environment_name(setting: str) -> str:
    """Return the environment variable of a setting: ``spark_master`` → ``HARNESS_SPARK_MASTER``."""
    return "HARNESS_" + setting.upper()


def ini_name(setting: str) -> str:
    """Return the ini key of a setting: ``spark_master`` → ``harness_spark_master``."""
    return "harness_" + setting


def read_settings(
    command_line: Mapping[str, str | None], environment: Mapping[str, str], ini: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings from three sources. Each source has its own names for them.

    :param command_line: setting name → text, or None if the option was not given.
    :param environment: environment variables.
    :param ini: ini key → text. An empty text counts as not given.
    :raises SettingsError: a value cannot be used. The error names its source.
    """
    fields = {setting.name: setting for setting in dataclasses.fields(Settings)}
    found = {name: _find(setting, command_line, environment, ini or {}) for name, setting in fields.items()}
    given = {name: source_and_text for name, source_and_text in found.items() if source_and_text is not None}
    if "region" not in given and given.get("mode", ("", ""))[1] == "real":
        given |= _region_of_profile(environment)
    if in_ci(environment):  # a regression run depends on nothing that an earlier one left
        given = {"model_cache": ("CI", "off"), "fresh": ("CI", "yes")} | given
    settings = Settings(**{name: _parse(fields[name], text, source) for name, (source, text) in given.items()})
    object.__setattr__(settings, "_origins", {name: source for name, (source, _) in given.items()})
    return settings


def in_ci(environment: Mapping[str, str]) -> bool:
    """Return whether a service for continuous integration runs this: it sets the variable ``CI``."""
    return environment.get("CI", "").lower() not in _NO_CI


def _find(
    setting: dataclasses.Field[Any],
    command_line: Mapping[str, str | None],
    environment: Mapping[str, str],
    ini: Mapping[str, str],
) -> tuple[str, str] | None:
    """Return the source and the text of a setting from the first source that has it."""
    name = setting.name
    given = command_line.get(name)
    candidates = [(option_name(name), given), (environment_name(name), environment.get(environment_name(name)))]
    candidates.append((ini_name(name), ini.get(ini_name(name)) or None))
    candidates.extend((also, environment.get(also) or None) for also in setting.metadata.get("also", ()))
    return next(((source, text) for source, text in candidates if text is not None), None)


def _region_of_profile(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the region of the AWS tools' profile with its source, or nothing if the profile names none."""
    from botocore.configloader import multi_file_load_config  # noqa: PLC0415 - only real mode needs it

    # botocore's order of the two variables
    profile = environment.get("AWS_DEFAULT_PROFILE") or environment.get("AWS_PROFILE") or "default"
    files = [
        environment.get("AWS_CONFIG_FILE") or "~/.aws/config",
        environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
    ]
    region = multi_file_load_config(*files)["profiles"].get(profile, {}).get("region")
    return {"region": (f"profile {profile!r}", region)} if region else {}


def _parse(setting: dataclasses.Field[Any], text: str, source: str) -> Any:
    kind = setting.metadata.get("kind", str)
    try:
        value = kind(text)
    except ValueError:
        raise SettingsError(
            f"{source} is {text!r}, which is not {_KINDS[kind]}.", fix=f"give {source} {_KINDS[kind]}"
        ) from None
    _check(setting, value, source)
    return value


def _check(setting: dataclasses.Field[Any], value: Any, source: str | None = None) -> None:
    """Raise :class:`SettingsError` unless the value fits the field's metadata."""
    name = source or setting.name
    metadata = setting.metadata
    if "choices" in metadata and value not in metadata["choices"]:
        raise SettingsError(f"{name} is {value!r}.", fix=f"choose one of {', '.join(metadata['choices'])}")
    if "pattern" in metadata and not metadata["pattern"].fullmatch(value):
        raise SettingsError(
            f"{name} is {value!r}, which is not a valid {metadata['help']}.",
            fix=f"give one that looks like {setting.default!r}",
        )
    for each in value if "each" in metadata else ():
        if not metadata["each"].fullmatch(each):
            raise SettingsError(f"{name} has {each!r}.", fix="give NAME=VALUE, such as spark.sql.shuffle.partitions=4")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{name} is {value}.", fix="give a finite number")
    if value is not None and "least" in metadata and value < metadata["least"]:
        raise SettingsError(f"{name} is {value}.", fix=f"give a number of at least {metadata['least']}")
    if "most" in metadata and value > metadata["most"]:
        raise SettingsError(f"{name} is {value:,}.", fix=f"give a number of at most {metadata['most']:,}")
    if isinstance(value, str) and not value.strip():
        raise SettingsError(f"{name} is empty.", fix="remove it or give it a value")
