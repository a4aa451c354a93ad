"""Settings: where they come from, which values are refused, and which have an effect in a mode."""

import dataclasses

import pytest

from harness.errors import SettingsError
from harness.settings import (
    Settings,
    environment_name,
    has_effect,
    ini_name,
    option_name,
    read_settings,
    refuse_without_effect,
)


def test_a_setting_has_one_name_in_three_spellings():
    assert option_name("spark_master") == "--harness-spark-master"
    assert environment_name("spark_master") == "HARNESS_SPARK_MASTER"
    assert ini_name("spark_master") == "harness_spark_master"


def test_without_any_source_the_defaults_hold():
    assert read_settings({}, {}) == Settings()


@pytest.mark.parametrize("setting", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_has_a_description(setting):
    described = {field.name: field.metadata["help"] for field in dataclasses.fields(Settings)}
    assert described[setting]


def test_the_command_line_wins_over_the_environment_and_that_over_the_ini_file():
    command_line = {"region": "eu-west-1"}
    environment = {"HARNESS_REGION": "eu-west-2", "HARNESS_SPARK_MASTER": "local[2]"}
    ini = {"harness_region": "eu-west-3", "harness_spark_master": "local[3]", "harness_train_rows": "3"}
    settings = read_settings(command_line, environment, ini)
    assert (settings.region, settings.spark_master, settings.train_rows) == ("eu-west-1", "local[2]", 3)


def test_an_option_not_given_defers_to_the_next_source():
    assert read_settings({"region": None}, {"HARNESS_REGION": "eu-west-2"}).region == "eu-west-2"


@pytest.mark.parametrize(
    "text", ["spark.ui.enabled=true\nspark.a.b=x=y", "\n spark.ui.enabled=true\n\n spark.a.b=x=y\n"]
)
def test_options_of_spark_are_given_one_a_line(text):
    settings = read_settings({}, {}, {"harness_spark_conf": text})
    assert settings.spark_options == {"spark.ui.enabled": "true", "spark.a.b": "x=y"}


@pytest.mark.parametrize("text", ["spark.ui.enabled", "master=local", "spark.=1"])
def test_what_is_no_option_of_spark_is_refused(text):
    with pytest.raises(SettingsError, match="HARNESS_SPARK_CONF has ") as error:
        read_settings({}, {"HARNESS_SPARK_CONF": text})
    assert "NAME=VALUE" in error.value.fix


def test_an_empty_ini_key_counts_as_not_given():
    assert read_settings({}, {}, {"harness_region": ""}).region == "us-east-1"


def test_the_region_of_the_aws_tools_holds_where_the_harness_has_none_of_its_own():
    aws = {"AWS_REGION": "cn-north-1", "AWS_DEFAULT_REGION": "us-gov-west-1"}
    assert read_settings({}, aws).region == "cn-north-1"
    assert read_settings({}, {**aws, "AWS_REGION": ""}).region == "us-gov-west-1"
    assert read_settings({}, aws, {"harness_region": "eu-west-3"}).region == "eu-west-3"


@pytest.fixture
def profiles(tmp_path):
    """The environment of a user whose configuration file has two profiles, each with a region."""
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-central-1\n[profile mine]\nregion = eu-west-3\n")
    return {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}


@pytest.mark.parametrize(
    ("variables", "region", "origin"),
    [
        ({}, "eu-central-1", "profile 'default'"),
        ({"AWS_PROFILE": "mine"}, "eu-west-3", "profile 'mine'"),
        ({"AWS_PROFILE": "other"}, "us-east-1", "the default"),
        ({"AWS_PROFILE": "mine", "AWS_REGION": "sa-east-1"}, "sa-east-1", "AWS_REGION"),
    ],
)
def test_in_real_mode_the_region_may_come_from_the_profile_and_its_origin_is_reported(
    profiles, variables, region, origin
):
    settings = read_settings({"mode": "real"}, profiles | variables)
    assert (settings.region, settings.origin("region")) == (region, origin)


def test_in_mock_mode_no_profile_is_read(profiles):
    assert read_settings({}, profiles).region == "us-east-1"


def test_a_bound_on_cost_is_a_number_and_there_is_none_by_default():
    assert Settings().max_cost is None
    assert read_settings({"max_cost": "1.5", "max_hours": "3"}, {}).max_cost == 1.5


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("mode", "fake"),
        ("region", "Frankfurt"),
        ("role", " "),
        ("training_instance_type", "m4.xlarge"),
        ("training_instance_count", "0"),
        ("endpoint_instance_count", "two"),
        ("spark_master", ""),
        ("train_rows", "60001"),
        ("test_rows", "1.5"),
        ("max_cost", "cheap"),
        ("max_cost", "-1"),
        ("max_cost", "nan"),
        ("max_hours", "0"),
        ("max_hours", "inf"),
        ("max_hours", "1e300"),
        ("prices", ""),
    ],
)
def test_an_invalid_value_is_an_error_that_names_its_source_and_the_fix(setting, text):
    for given in [({setting: text}, {}), ({}, {environment_name(setting): text})]:
        with pytest.raises(SettingsError) as error:
            read_settings(*given)
        assert (option_name(setting) if given[0] else environment_name(setting)) in error.value.what
        assert error.value.fix


LIMITS = {
    "training_instance_count": (1, None),
    "endpoint_instance_count": (1, None),
    "max_cost": (0, None),
    "max_hours": (0.1, 672),
    "train_rows": (1, 60_000),
    "test_rows": (1, 10_000),
}


@pytest.mark.parametrize(("setting", "least", "most"), [(name, *bounds) for name, bounds in LIMITS.items()])
def test_a_number_may_be_as_small_and_as_large_as_its_bounds(setting, least, most):
    for bound, beyond in [(least, least - 0.01), (most, (most or 0) + 1)]:
        if bound is not None:
            assert getattr(Settings(**{setting: bound}), setting) == bound
            with pytest.raises(SettingsError, match=f"{setting} is "):
                Settings(**{setting: beyond})


def test_the_defaults_are_those_that_the_documentation_names():
    settings = Settings()
    assert (settings.mode, settings.region, settings.spark_master) == ("mock", "us-east-1", "local[*]")
    assert (settings.training_instance_type, settings.training_instance_count) == ("ml.m4.xlarge", 1)
    assert (settings.endpoint_instance_type, settings.endpoint_instance_count) == ("ml.m4.xlarge", 1)
    assert (settings.max_hours, settings.train_rows, settings.test_rows) == (2.0, 60_000, 10_000)


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2", "cn-northwest-1", "us-gov-east-1", "us-iso-east-1"])
def test_regions_of_every_partition_are_known_by_their_form(region):
    assert Settings(region=region).region == region


def test_settings_built_by_hand_are_checked_too():
    with pytest.raises(SettingsError, match="train_rows"):
        Settings(train_rows=0)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().region = "eu-west-1"


@pytest.mark.parametrize("name", ["role", "endpoint"])
def test_an_option_without_effect_in_mock_mode_is_refused_with_the_value_and_a_fix(name):
    with pytest.raises(SettingsError) as error:
        refuse_without_effect(Settings(), {name: "mine"}, "--harness-")
    assert error.value.what.startswith(f"--harness-{name} mine has no effect in mock mode")
    assert error.value.fix == "remove it, or choose --harness-mode=real"
    assert not has_effect(Settings(), name)


def test_the_same_option_is_used_in_real_mode_and_may_be_omitted():
    refuse_without_effect(Settings(mode="real"), {"role": "mine", "endpoint": "mine"})
    refuse_without_effect(Settings(), {"role": None, "endpoint": None, "region": "eu-west-1"})
    assert has_effect(Settings(mode="real"), "role")
    assert has_effect(Settings(), "region")


def test_an_endpoint_that_exists_is_used_in_real_mode_only():
    assert Settings(mode="real", endpoint="mine").existing_endpoint == "mine"
    assert Settings(endpoint="mine").existing_endpoint is None


@pytest.mark.parametrize(
    ("given", "uses"),
    [({}, True), ({"CI": "true"}, False), ({"CI": "false"}, True), ({"HARNESS_FRESH": "yes"}, False),
     ({"CI": "true", "HARNESS_FRESH": "no"}, True)],
)  # fmt: skip
def test_a_kept_environment_is_used_except_in_ci_and_where_it_is_not_wanted(given, uses):
    assert read_settings({}, given).uses_kept == uses


def test_a_settings_error_ends_a_command_with_code_2():
    assert SettingsError("x").exit_code == 2


@pytest.mark.parametrize(("variable", "used"), [("true", "off"), ("1", "off"), ("", "on"), ("false", "on")])
def test_continuous_integration_trains_every_model(variable, used):
    assert read_settings({}, {"CI": variable}).model_cache == used


def test_a_setting_turns_the_cache_of_models_on_in_continuous_integration():
    settings = read_settings({}, {"CI": "true", "HARNESS_MODEL_CACHE": "on"})
    assert (settings.model_cache, settings.origin("model_cache")) == ("on", "HARNESS_MODEL_CACHE")
