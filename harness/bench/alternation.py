"""Variants of a parametrized benchmark, alternating in one pytest session: ``--harness-alternate BLOCKS``.

Each block runs every variant once, in a new random order, so that drift of the machine affects all of them, and the
test of ``harness compare --by PARAMETER`` is exact. Fixtures of the module and the session are set up once: all blocks
use one trained model, one endpoint and one JVM.

Every pytest session loads this module, so it imports what it needs where it needs it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import pytest

OPTION = "--harness-alternate"
_FILES = ("benchmark_json", "benchmark_save", "benchmark_autosave")
"""Options of pytest-benchmark that keep results."""
BLOCK: pytest.StashKey[int] = pytest.StashKey()
"""Key in an item's stash: number of its block, from 1."""
_MEASURED: pytest.StashKey[list[Mapping[str, Any]]] = pytest.StashKey()
"""Key in a configuration's stash: what pytest-benchmark measured in all blocks."""
_IN_THE_TABLE = ("benchmark_compare", "benchmark_compare_fail", "benchmark_cprofile")
"""Options of pytest-benchmark whose output is in its table."""


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option to pytest's."""
    group.addoption(
        OPTION, type=int, metavar="BLOCKS", help="run the variants of each parametrized benchmark alternately: each "
        "block runs every variant once, in random order; 'harness compare FILE --by PARAMETER' compares them"
    )  # fmt: skip


def chosen_blocks(config: pytest.Config) -> int | None:
    """Return the number of blocks of the command line; None if variants do not alternate.

    :raises pytest.UsageError: they are too few for a verdict, pytest-xdist would share the blocks out, or no file
        would keep them.
    """
    blocks: int | None = config.getoption(OPTION)
    if blocks is None:
        return None
    from harness.bench.analysis.statistics import LEAST_RUNS  # noqa: PLC0415 - imports scipy

    if blocks < LEAST_RUNS:
        raise pytest.UsageError(f"{OPTION} is {blocks}, but a verdict needs {LEAST_RUNS}.\n  to fix:  give more blocks")
    if config.getoption("numprocesses", None) or config.getoption("tx", None):
        raise pytest.UsageError(
            f"{OPTION} compares rounds of one process, and pytest-xdist shares them out.\n  to fix:  remove -n"
        )
    if not any(config.getoption(name, None) for name in _FILES):
        raise pytest.UsageError(
            f"{OPTION} is {blocks}, but no file would keep the blocks.\n"
            "  to fix:  add --benchmark-json FILE, which 'harness compare FILE --by PARAMETER' reads"
        )
    return blocks


def alternate(items: list[pytest.Item], blocks: int) -> None:
    """Replace the variants of each benchmark by blocks of them, in which the order is random.

    Other tests, and benchmarks with a single variant, run once as before. Blocks of two benchmarks do not mix.

    :raises pytest.UsageError: a variant would set up a fixture of the module or the session again in each block.
    """
    variants: dict[tuple[Any, str], list[pytest.Function]] = {}
    for item in items:
        if _is_variant(item):
            variants.setdefault(_test(item), []).append(item)
    several = {test: members for test, members in variants.items() if len(members) > 1}
    items[:] = _arranged(items, several, blocks)


def _is_variant(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec") and "benchmark" in item.fixturenames


def _test(item: pytest.Item) -> tuple[Any, str]:
    """Return the collector and the name of an item's test, without its parameters."""
    return item.parent, getattr(item, "originalname", item.name)


def _arranged(
    items: Sequence[pytest.Item], several: dict[tuple[Any, str], list[pytest.Function]], blocks: int
) -> Iterator[pytest.Item]:
    """Yield all items; the first variant of a benchmark is replaced by all its blocks, and the others by nothing."""
    draw, done = random.SystemRandom(), set()
    for item in items:
        test = _test(item)
        if test not in several or not _is_variant(item):
            yield item
        elif test not in done:
            done.add(test)
            _refuse_wide_parameters(item, several[test])
            for number in range(1, blocks + 1):
                for variant in draw.sample(several[test], len(several[test])):
                    yield _in_block(variant, number)


def _refuse_wide_parameters(item: pytest.Item, variants: Sequence[pytest.Function]) -> None:
    """Raise :class:`pytest.UsageError` if a parameter is one of a fixture that lasts longer than a test.

    pytest keeps one value of such a fixture at a time. It would train a model again each time that variants alternate.
    """
    for name in variants[0].callspec.params:
        definitions = variants[0]._fixtureinfo.name2fixturedefs.get(name, ())
        if definitions and definitions[-1].scope != "function":
            raise pytest.UsageError(
                f"{OPTION}: {item.nodeid} varies by the fixture {name!r} of the {definitions[-1].scope}, which pytest "
                "would set up again whenever the variants alternate.\n  to fix:  parametrize the test with the names "
                "of two fixtures, and get the chosen one with request.getfixturevalue(name)"
            )


def _in_block(item: pytest.Function, number: int) -> pytest.Function:
    """Return the same test once more; an item cannot run twice, because pytest keeps its state on it."""
    copy: pytest.Function = type(item).from_parent(
        item.parent,
        name=item.name,
        callspec=item.callspec,
        fixtureinfo=item._fixtureinfo,
        originalname=item.originalname,
    )
    copy.own_markers[:] = item.own_markers
    copy.keywords.update(item.keywords)
    copy.stash[BLOCK] = number
    return copy


# --- summary ----------------------------------------------------------------------------------------------------------


def take_blocks(config: pytest.Config, benchmarks: list[dict[str, Any]]) -> None:
    """Remove the blocks from the benchmarks that pytest-benchmark is about to show, and keep them for a summary.

    Its table has a wide line for each block, sorted by time, which separates the blocks of a variant. Options whose
    output is in the table keep it.
    """
    if config.getoption(OPTION) is None or any(config.getoption(name, None) for name in _IN_THE_TABLE):
        return
    blocks: list[Mapping[str, Any]] = [each for each in benchmarks if "block" in each["extra_info"]]
    config.stash[_MEASURED] = blocks
    benchmarks[:] = [each for each in benchmarks if "block" not in each["extra_info"]]


def summary(config: pytest.Config) -> list[str]:
    """Return a line for each variant, and the commands that compare them; no line if nothing alternated."""
    measured = config.stash.get(_MEASURED, [])
    variants: dict[str, list[Mapping[str, Any]]] = {}
    for block in measured:
        variants.setdefault(block["fullname"], []).append(block)
    file = config.getoption("benchmark_json", None) or "FILE"
    commands = [f"harness compare {file} --by {name}" for name in _varying(measured)]
    return [*(_line(name, blocks) for name, blocks in variants.items()), *commands]


def _line(name: str, blocks: Sequence[Mapping[str, Any]]) -> str:
    from statistics import median  # noqa: PLC0415

    from harness.console import duration, plural, printable  # noqa: PLC0415

    middle = duration(median(block["median"] for block in blocks))
    return f"{printable(name)}: {plural(len(blocks), 'block')}, median {middle}"


def _varying(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the parameters that have several values."""
    values: dict[str, set[str]] = {}
    for block in blocks:
        for name, value in (block["params"] or {}).items():
            values.setdefault(name, set()).add(str(value))
    return [name for name, several in values.items() if len(several) > 1]
