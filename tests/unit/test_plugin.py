"""The plugin's options, header and exit status, in separate pytest sessions."""

import subprocess
import sys

import pytest

from harness.plugin import _refused_text
from harness.settings import Settings

SHOW = "def test_it(harness_settings): print('\\n', harness_settings)"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in ("HARNESS_MODE", "HARNESS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take a second to load
    if "pyspark" in sys.modules:  # earlier tests of this process may have a JVM, which is not that of these sessions
        monkeypatch.setattr("harness.spark.internals.has_jvm", lambda: False)


@pytest.fixture
def run(pytester):
    """Run a test file in a separate pytest session; by default one that shows its settings."""

    def run(*options, test=SHOW):
        pytester.makepyfile(test)
        return pytester.runpytest("-p", "harness.plugin", "-s", *options)

    return run


def test_without_options_the_defaults_hold(run, monkeypatch):
    monkeypatch.delenv("CI")
    run().stdout.fnmatch_lines([f"*{Settings(train_rows=60_000)}".replace("[", "[[]")])


def test_the_header_names_the_locations_of_sagemaker_and_spark(run):
    result = run("--harness-region=eu-west-1", "--harness-spark-master=local[2]")
    result.stdout.fnmatch_lines(["harness: mock AWS in eu-west-1, Spark at local[[]2]"])


def test_the_command_line_wins_over_the_environment_and_that_over_the_ini_file(run, pytester, monkeypatch):
    pytester.makeini("[pytest]\nharness_train_rows = 1\nharness_test_rows = 2\nharness_region = eu-west-1")
    monkeypatch.setenv("HARNESS_TRAIN_ROWS", "3")
    monkeypatch.setenv("HARNESS_TEST_ROWS", "4")
    result = run("--harness-train-rows=5")
    result.stdout.fnmatch_lines(["*region='eu-west-1'*train_rows=5, test_rows=4*"])


def test_the_option_for_spark_is_repeated(run):
    result = run("--harness-spark-conf=spark.a.b=1", "--harness-spark-conf=spark.c.d=2")
    result.stdout.fnmatch_lines(["*spark_conf=('spark.a.b=1', 'spark.c.d=2')*"])


def test_every_setting_is_an_option_and_an_ini_key_that_help_explains(run):
    result = run("--help")
    result.stdout.fnmatch_lines_random(["*--harness-spark-master=MASTER*", "*harness_spark_master (string):*"])


@pytest.mark.parametrize("value", ["--harness-mode=reel", "--harness-train-rows=many", "--harness-train-rows=0"])
def test_an_invalid_value_stops_the_session_before_it_starts(run, value):
    result = run(value)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {value.split('=')[0]} is *", "*to fix: *"])


XDIST = """
def pytest_addoption(parser):
    parser.addoption("--numprocesses", type=int)
"""


def test_real_mode_refuses_to_be_shared_by_xdist(run, pytester):
    pytester.makeconftest(XDIST)
    result = run("--harness-mode=real", "--numprocesses=2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: Real mode cannot be shared*", "*to fix:  remove -n"])
    run("--numprocesses=2").assert_outcomes(passed=1)
    run("--harness-mode=real", "--numprocesses=0").assert_outcomes(passed=1)


TERM = """
import os, signal, time
import pytest
from harness.processes import reason_to_end

@pytest.fixture(scope="session")
def thing():
    yield
    print("\\nthe finalizer ran")

def test_it(thing, harness_settings):
    with reason_to_end(lambda: "--harness-max-hours 1 is over"):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
"""


def test_sigterm_ends_a_session_in_real_mode_in_order_and_pytest_prints_the_reason(pytester):
    pytester.makepyfile(TERM)
    arguments = ("-p", "harness.plugin", "-s", "--harness-mode=real")
    result = pytester.run(sys.executable, "-m", "pytest", *arguments)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["the finalizer ran", "*KeyboardInterrupt: --harness-max-hours 1 is over*"])


@pytest.mark.parametrize("setting", ["role", "endpoint"])
def test_options_of_real_mode_are_refused_on_the_command_line_of_mock_mode_but_not_in_the_ini_file(
    run, pytester, setting
):
    assert run(f"--harness-{setting}=mine").ret == pytest.ExitCode.USAGE_ERROR
    assert run(f"--harness-{setting}=mine", "--harness-mode=real").ret == pytest.ExitCode.OK
    pytester.makeini(f"[pytest]\nharness_{setting} = mine")
    run().assert_outcomes(passed=1)


def test_an_unknown_region_of_a_project_that_does_not_use_the_harness_changes_nothing(run, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "nowhere")
    result = run(test="def test_it(): pass")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["harness: not usable here: AWS_REGION is 'nowhere'*"])


def test_an_unknown_region_is_reported_to_a_test_that_uses_the_harness(run, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "nowhere")
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["AWS_REGION is 'nowhere'*", "  to fix:*"])


def test_naming_the_plugin_in_a_conftest_as_well_loads_it_once(run, pytester):
    pytester.makeconftest("pytest_plugins = ['harness.plugin']")
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize(("arguments", "kept"), [((), False), (("--benchmark-autosave",), True)])
def test_only_results_leave_a_directory_of_pytest_benchmark(pytester, arguments, kept):
    pytester.makepyfile("def test_it(benchmark): benchmark.pedantic(int)")
    plugins = ("-p", "harness.plugin", "-p", "pytest_benchmark.plugin")
    pytester.runpytest(*plugins, *arguments).assert_outcomes(passed=1)
    assert (pytester.path / ".benchmarks").exists() == kept


def test_loading_the_plugin_imports_nothing_heavy():
    code = "import sys, harness.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"boto3", "botocore", "moto", "pyspark", "numpy", "pandas", "matplotlib", "xgboost", "asyncio"} & set(
        loaded
    )


LEFTOVER = """
    import pytest
    from harness.aws.cleanup.leftovers import refuse_leftovers
    from harness.aws.cleanup.resources import Leftover, Resource
    from harness.fixtures import LEFTOVERS

    @pytest.fixture(scope="session")
    def model(pytestconfig):
        yield
        left = [Leftover(Resource("endpoint", "e"), "InService", 0.28, "aws sagemaker delete-endpoint e")]
        pytestconfig.stash[LEFTOVERS] = left
        {}refuse_leftovers(left, after="the clean-up")

    def test_it(model):
        pass
"""


def test_a_leftover_fails_the_session_and_is_listed(run):
    result = run(test=LEFTOVER.format(""))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = "Resources of this session still existed after the clean-up: endpoint e*"
    table = ["*left over in AWS*", "endpoint e *InService *0.280", "to delete it:", "  aws sagemaker delete-endpoint e"]
    result.stdout.fnmatch_lines([told, *table])


def test_a_leftover_fails_the_session_even_if_its_error_is_swallowed(run):
    swallow = "with __import__('contextlib').suppress(Exception): "
    assert run(test=LEFTOVER.format(swallow)).ret == pytest.ExitCode.TESTS_FAILED


FAKE_AWS = """
    import os
    from pathlib import Path
    from types import SimpleNamespace
    import pytest

    class Client:
        def __init__(self, service):
            self.service = service
            self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None))
        def get_caller_identity(self): return {"Account": "1", "Arn": "arn:aws:iam::1:user/u"}

    class Fake:
        mode, region, account, role = "mock", "us-east-1", "1", "arn:aws:iam::1:role/r"
        ledger_directory, hourly_prices, outlives_process = Path("ledger").resolve(), {}, False
        prices, faults = None, None
        lease, notes = None, []
        def redirected(self, environment): return {**environment, "AWS_ACCESS_KEY_ID": "local"}
        def client(self, service): return Client(service)
        def remaining(self): return []
        def refused_hosts(self): return []
        def jobs_from_cache(self): return []
        def close(self): print("\\nclosed with", os.environ.get("AWS_ACCESS_KEY_ID"))

    @pytest.fixture(scope="session", autouse=True)
    def opened():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harness.fixtures.open_aws", lambda settings, **_: Fake())
            yield
"""


REMAINS = """
    import time
    from harness.aws.cleanup.resources import Remaining

    BEFORE = time.time()
    Fake.remaining = lambda self: [Remaining("endpoint e", (BEFORE,)), Remaining("model m", (BEFORE, time.time()))]
"""
UNKNOWN_TO_THE_LEDGER = [
    *("*not deleted by this session*", "*In AWS they would remain*"),
    *("  endpoint e", "  model m, created during test*"),
]


@pytest.mark.parametrize(("setting", "code"), [("fail", 1), ("warn", 0)])
def test_what_no_ledger_deleted_is_listed_and_fails_the_session_unless_a_setting_says_otherwise(
    run, pytester, setting, code
):
    pytester.makeconftest(FAKE_AWS + REMAINS)
    result = run(f"--harness-unrecorded={setting}", test="def test_it(aws): pass")
    assert result.ret == code
    result.stdout.fnmatch_lines(UNKNOWN_TO_THE_LEDGER)
    assert result.outlines[-1].endswith("in the section 'not deleted by this session'") == (code == 1)


STASHED = """
    from harness.fixtures import COUNTS, UNRECORDED

    def test_it(pytestconfig):
        pytestconfig.stash[COUNTS] = {"created": 5, "deleted": 5, "left over": 0}
        pytestconfig.stash[UNRECORDED] = ["endpoint theirs"]
"""


def test_resources_are_counted_in_one_line_and_those_of_a_shared_account_fail_no_session(run):
    result = run(test=STASHED)
    assert result.ret == pytest.ExitCode.OK
    counted = "harness: AWS resources of this session: 5 created, 5 deleted, 0 left over"
    others = ["*created in AWS since this session began, and in no ledger*", "*does not say who*", "  endpoint theirs"]
    result.stdout.fnmatch_lines([counted, *others])


def test_a_leftover_of_the_ledger_is_not_listed_twice(run, pytester):
    pytester.makeconftest(FAKE_AWS + REMAINS)
    result = run(test=LEFTOVER.format("").replace("model(pytestconfig)", "model(pytestconfig, aws)"))
    result.stdout.fnmatch_lines(["*not deleted by this session*", "*In AWS they would remain*", "  model m, created*"])


@pytest.mark.slow
def test_what_processes_of_xdist_did_not_delete_is_listed_once_for_each(pytester):
    pytester.makeconftest(FAKE_AWS + REMAINS)
    pytester.makepyfile("def test_one(aws): pass\ndef test_two(aws): pass")
    result = pytester.runpytest_subprocess("-p", "harness.plugin", "-p", "xdist", "-n", "1")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(UNKNOWN_TO_THE_LEDGER)


def test_clients_of_this_process_use_the_same_aws_while_it_exists(run, pytester, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    pytester.makeconftest(FAKE_AWS)
    result = run(test="import os\ndef test_it(aws): assert os.environ['AWS_ACCESS_KEY_ID'] == 'local'")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*closed with mine"])


def test_the_users_default_session_is_kept(run, pytester):
    ours = """
    def pytest_configure(config):
        import boto3
        config.ours = boto3.DEFAULT_SESSION = boto3.Session()

    def pytest_unconfigure(config):
        import boto3
        print("\\nours again:", boto3.DEFAULT_SESSION is config.ours)
        boto3.DEFAULT_SESSION = None
    """
    pytester.makeconftest(FAKE_AWS + ours)
    test = "import os, boto3\ndef test_it(aws, pytestconfig):\n"
    test += "    assert boto3.DEFAULT_SESSION is not pytestconfig.ours"
    result = run(test=test)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*ours again: True"])


REFUSES = """
    Fake.refused_hosts = lambda self: ["wiki.example"]
"""


def test_refused_hosts_are_named_with_the_test_that_failed_and_at_the_end(run, pytester):
    pytester.makeconftest(FAKE_AWS + REFUSES)
    result = run(test="def test_one(aws): assert 0\ndef test_two(aws): assert 0\ndef test_three(aws): pass")
    result.assert_outcomes(passed=1, failed=2)
    named = [line for line in result.outlines if "does not emulate them: wiki.example" in line]
    assert len(named) == 2, "once with the first test that failed, once at the end"
    result.stdout.fnmatch_lines(["*Hosts that the local AWS refused*", "*hosts that the local AWS refused*"])


CACHED = """
    Fake.jobs_from_cache = lambda self: ["job-1", "job-2"]
"""


def test_models_from_the_cache_are_counted_in_one_line_with_the_option_that_trains_them(run, pytester):
    pytester.makeconftest(FAKE_AWS + CACHED)
    result = run(test="def test_it(aws): pass")
    result.stdout.fnmatch_lines(["*not trained again: 2 (--harness-model-cache=off trains them)"])


@pytest.mark.slow
def test_models_from_the_cache_are_counted_over_processes_of_xdist(pytester):
    pytester.makeconftest(FAKE_AWS + CACHED)
    pytester.makepyfile(test_one="def test_it(aws): pass", test_two="def test_it(aws): pass")
    result = pytester.runpytest_subprocess("-p", "harness.plugin", "-p", "xdist", "-n", "2", "--dist", "loadfile")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*not trained again: 4 (*"])


OPENED = FAKE_AWS.replace("lambda settings, **_: Fake()", "lambda settings, **asked: print(asked) or Fake()")


@pytest.mark.parametrize(("fixtures", "used"), [("aws", True), ("aws, benchmark", False)])
def test_a_session_with_a_benchmark_uses_nothing_that_earlier_sessions_left(run, pytester, fixtures, used):
    pytester.makeconftest(OPENED)
    assert f"'reuses': {used}" in run("-s", test=f"def test_it({fixtures}): pass").stdout.str()


@pytest.mark.parametrize(
    ("host", "advice", "other"),
    [
        ("wiki.example:443", "if NO_PROXY names them", "ProxyConnectionError"),
        ("dynamodb.us-east-1.amazonaws.com:443", "boto3 shows this refusal as ProxyConnectionError", "NO_PROXY"),
    ],
)
def test_the_advice_on_a_refused_host_fits_aws_s_hosts_and_others(host, advice, other):
    text = _refused_text([host])
    assert advice in text
    assert other not in text


@pytest.mark.slow
def test_hosts_that_processes_of_xdist_refused_are_listed_once(pytester):
    pytester.makeconftest(FAKE_AWS + REFUSES)
    pytester.makepyfile("def test_one(aws): pass\ndef test_two(aws): pass")
    result = pytester.runpytest_subprocess("-p", "harness.plugin", "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=2)
    assert result.stdout.str().count("wiki.example") == 1


def test_clients_and_role_are_those_of_aws(run, pytester):
    pytester.makeconftest(FAKE_AWS)
    test = "def test_it(sagemaker_client, sagemaker_runtime_client, s3_client, sagemaker_role):\n"
    test += "    clients = (sagemaker_client, sagemaker_runtime_client, s3_client)\n"
    test += "    assert [client.service for client in clients] == ['sagemaker', 'sagemaker-runtime', 's3']\n"
    test += "    assert sagemaker_role == 'arn:aws:iam::1:role/r'"
    run(test=test).assert_outcomes(passed=1)


def test_an_aws_without_faults_skips_the_tests_that_inject_them_with_a_reason(run, pytester):
    pytester.makeconftest(FAKE_AWS.replace('"mock"', '"real"'))
    result = run("-rs", test="def test_it(faults): pass")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*faults can be injected into the local AWS only, and this AWS is real"])


FAULTS = """
    from harness.aws.faults import FaultInjection
    from harness.localaws.control.faults import Fault, Faults
    local = Faults()

    def control(method, path, content=None):
        if method == "POST":
            return local.add(Fault.from_json(content))
        return local.applied() if method == "GET" else local.clear()

    Fake.faults = FaultInjection(control)
    Fake.take = staticmethod(local.take)
"""


def test_faults_are_cleared_after_each_test(run, pytester):
    pytester.makeconftest(FAKE_AWS + FAULTS)
    test = "def test_one(faults): faults.add('GetRole')\ndef test_two(aws, faults): assert aws.take('GetRole') is None"
    run(test=test).assert_outcomes(passed=2)


def test_a_test_that_failed_says_how_many_calls_its_faults_have_hit(run, pytester):
    pytester.makeconftest(FAKE_AWS + FAULTS)
    test = "def test_it(aws, faults):\n    faults.add('GetRole')\n    aws.take('GetRole')\n    assert 0"
    result = run(test=test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Faults in the local AWS*", "<fault GetRole: error 500 *> has hit 1 call"])


@pytest.mark.slow
def test_a_test_that_waits_for_a_client_that_retries_is_reported_despite_captured_output(pytester):
    pytester.makeconftest(FAKE_AWS + FAULTS)
    test = "import time\ndef test_it(aws, faults, capfd):\n    fault = faults.add('GetRole', times='always')\n"
    test += "    for _ in range(20): aws.take('GetRole')\n    time.sleep(2.5)\n    assert fault.applied == 20\n"
    test += "    assert capfd.readouterr() == ('', '')"
    pytester.makepyfile(test)
    result = pytester.runpytest_subprocess("-p", "harness.plugin")
    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["harness: after * s, <fault GetRole: *> has hit 20 calls: is a client retrying?"])


CLEAN_UP = """
    @pytest.fixture(scope="session", autouse=True)
    def cleaning(opened):
        from harness.aws.cleanup.ledger import Ledger
        from harness.aws.cleanup.resources import Leftover, Resource

        def clean_up(ledger):
            print("\\ncleaned up")
            ledger.leftovers = [Leftover(Resource("endpoint", ledger.run), "InService", None, "delete it")]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "clean_up", clean_up)
            patch.setattr(Ledger, "make_bucket", lambda ledger: None)
            patch.setattr("harness.aws.cleanup.hooks.Tagger.tag", lambda tagger: None)
            patch.setattr("harness.aws.cleanup.resources.Janitor.state", lambda janitor, resource: None)
            yield
"""

FAILING_FIT = """
    @pytest.fixture(scope="session")
    def mnist_train():
        return "rows"

    def fit(aws, ledger, estimator, rows):
        raise RuntimeError("half way")

    @pytest.fixture(scope="session", autouse=True)
    def failing():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harness.pipeline.fit.fit", fit)
            patch.setattr("harness.spark.sdk.estimator", lambda aws, settings, names: None)
            yield
"""


def test_a_failing_fit_is_reported_with_its_leftovers(run, pytester):
    pytester.makeconftest(FAKE_AWS + CLEAN_UP + FAILING_FIT)
    result = run(test="def test_it(trained_model): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: half way", "*left over in AWS*", "endpoint * unknown", "  delete it"])


INTERRUPTED = """
import pytest
from harness.aws.cleanup.resources import Resource

@pytest.fixture(scope="session")
def thing(ledger):
    ledger.expect(Resource("endpoint", "e"))
    raise KeyboardInterrupt

def test_it({}): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", ["thing", "ledger, thing"])
def test_an_interrupted_set_up_is_cleaned_up_after_once(pytester, interrupted):
    pytester.makeconftest(FAKE_AWS + CLEAN_UP)
    pytester.makepyfile(INTERRUPTED.format(interrupted))
    result = pytester.run(sys.executable, "-m", "pytest", "-p", "harness.plugin", "-s")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert result.outlines.count("cleaned up") == 1
    result.stdout.fnmatch_lines(["*left over in AWS*"])


@pytest.mark.slow
def test_resources_of_a_skipped_finalizer_are_cleaned_up(pytester):
    pytester.makeconftest(FAKE_AWS + CLEAN_UP)
    lost = "from harness.aws.cleanup.resources import Resource\n\ndef test_it(ledger, request):\n"
    lost += "    ledger.expect(Resource('endpoint', 'e'))\n    request.session._setupstate.stack.clear()"
    pytester.makepyfile(lost)
    result = pytester.run(sys.executable, "-m", "pytest", "-p", "harness.plugin", "-s")
    assert result.outlines.count("cleaned up") == 1


def test_a_failing_fixture_is_reported_in_a_few_lines(pytester):
    pytester.makepyfile(
        """
        import pytest
        from harness.errors import SetupError

        @pytest.fixture
        def aws():
            raise SetupError("No credentials.", checked="the chain", fix="log in") from ValueError("long")

        def test_anything(aws):
            pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "harness.plugin")
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_anything*", "No credentials.", "  checked: the chain", "  to fix:  log in"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*ValueError*")
