"""``--harness-alternate``: variants of a benchmark in blocks of one session, in separate pytest sessions."""

import itertools

import pytest

from harness.bench.results.reader import read_file

BENCHMARKS = """
import pytest

made = []

@pytest.fixture(scope="module")
def model():
    made.append("model")
    assert made == ["model"]
    return list(range(100))

@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("batch", [1, 2])
def test_sum(benchmark, model, batch, form):
    benchmark.pedantic(sum, [model * batch], rounds=2)
    benchmark.extra_info["rows"] = batch * 100

def test_once(benchmark, model):
    benchmark.pedantic(len, [model], rounds=1)

@pytest.mark.parametrize("number", [1, 2])
def test_no_benchmark(number):
    pass
"""
OF_A_FIXTURE = """
import pytest

@pytest.fixture(scope="session", params=["small", "large"])
def model(request):
    return request.param

def test_len(benchmark, model):
    benchmark.pedantic(len, [model], rounds=1)
"""

EIGHT = ("--harness-alternate=8", "--benchmark-json=saved.json")


@pytest.fixture
def session(pytester, monkeypatch):
    """A function that runs some benchmarks in a separate session, and returns it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def session(test, *options):
        pytester.makepyfile(test_own=test)
        return pytester.runpytest("-p", "harness.plugin", "-p", "pytest_benchmark.plugin", *options)

    return session


@pytest.fixture
def measured(session, pytester):
    """Benchmarks of a session with 8 blocks, by the name of the test and its parameters."""
    session(BENCHMARKS, *EIGHT).assert_outcomes(passed=8 * 4 + 1 + 2)
    result, problems = read_file(pytester.path / "saved.json")
    assert problems == []
    return {name.partition("::")[2]: benchmark for name, benchmark in result.benchmarks.items()}


def test_each_block_runs_every_variant_once_with_one_model(measured):
    assert sorted(measured) == ["test_once", *(f"test_sum[{n}-{form}]" for n in (1, 2) for form in ("dense", "sparse"))]
    places = set()
    for number in range(1, 9):
        block = [benchmark.blocks[number] for benchmark in measured.values() if benchmark.blocks]
        taken = sorted(benchmark.place for benchmark in block)
        assert taken == list(range(taken[0], taken[0] + 4))
        places |= set(taken)
    assert len(places) == 8 * 4


def test_the_order_in_the_blocks_is_random(measured):
    places = [
        tuple(benchmark.blocks[number].place % 4 for benchmark in measured.values() if benchmark.blocks)
        for number in range(1, 9)
    ]
    assert len(set(places)) > 1  # 8 equal orders of 24 have a chance of 24⁻⁷


def test_all_blocks_of_a_variant_are_one_run(measured):
    benchmark = measured["test_sum[2-dense]"]
    assert benchmark.times == tuple(itertools.chain.from_iterable(each.times for each in benchmark.blocks.values()))
    assert (len(benchmark.times), benchmark.info.rows, benchmark.info.block) == (8 * 2, 200, None)
    assert (benchmark.test, benchmark.parameters) == ("test_own.py::test_sum", {"batch": "2", "form": "dense"})


def test_a_benchmark_with_one_variant_runs_once(measured):
    assert measured["test_once"].blocks == {}


def test_the_output_has_a_line_for_each_variant_and_the_commands_that_compare_them(session):
    lines = session(BENCHMARKS, *EIGHT).outlines
    assert sorted(line.partition(", median ")[0] for line in lines if ", median " in line) == [
        f"test_own.py::test_sum[{batch}-{form}]: 8 blocks" for batch in (1, 2) for form in ("dense", "sparse")
    ]
    assert [line for line in lines if line.startswith("harness compare ")] == [
        f"harness compare saved.json --by {name}" for name in ("batch", "form")
    ]
    table = [line for line in lines if line.startswith("test_")]  # of the benchmark with one variant
    assert [line.split()[0] for line in table if "::" not in line and ".py" not in line] == ["test_once"]


def test_a_profile_which_the_table_shows_keeps_the_whole_table(session):
    lines = session(BENCHMARKS, *EIGHT, "--benchmark-cprofile=tottime").outlines
    assert sum(line.startswith("test_sum[1-dense]") for line in lines) == 8
    assert not any(line.startswith("harness compare ") for line in lines)


def test_without_the_option_nothing_is_repeated(session):
    session(BENCHMARKS).assert_outcomes(passed=4 + 1 + 2)


def test_a_selected_variant_is_found_by_its_usual_name(session):
    done = session(BENCHMARKS, *EIGHT, "-k", "dense and test_sum", "--collect-only", "-q")
    assert sorted(line for line in done.outlines if "::" in line) == [
        f"test_own.py::test_sum[{batch}-dense]" for batch in (1, 2) for _ in range(8)
    ]


def test_a_fixture_that_would_be_set_up_in_each_block_is_refused(session):
    done = session(OF_A_FIXTURE, *EIGHT)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*test_len?small? varies by the fixture 'model' of the session*", "*getfixturevalue*"])


def test_too_few_blocks_for_a_verdict_are_refused(session):
    done = session(BENCHMARKS, "--harness-alternate=7")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--harness-alternate is 7, but a verdict needs 8*"])


def test_blocks_that_xdist_would_share_out_are_refused(session):
    done = session(BENCHMARKS, "-p", "xdist.plugin", "-n2", "--harness-alternate=8")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*compares rounds of one process*", "*remove -n*"])


def test_blocks_that_no_file_would_keep_are_refused_with_the_option_that_keeps_them(session):
    done = session(BENCHMARKS, "--harness-alternate=8")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*no file would keep the blocks*", "*add --benchmark-json FILE*"])
