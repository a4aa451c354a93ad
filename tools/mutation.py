"""Mutation testing of the pure modules: change one expression, run that module's unit tests, and see whether they fail.

``python -m tools.mutation`` (``tox -e mutation``) takes a random sample of places in the modules that ``mutation.ini``
lists. cosmic-ray changes each place in one way, in a copy of the repository: the working tree is only read. A mutant
that survives is a missing assertion, dead code, or a change without effect.

Each run of tests is forked from a server that has imported the large libraries, and imports this module. Hence the
imports inside functions.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import difflib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
SAMPLE = 200
"""Mutants of a run, unless ``--sample`` or ``--all`` asks for more."""
GOAL = 0.85
"""Least share of the mutants that the tests must kill."""

_SLOWER = 5
"""Tests of a mutant may take this many times as long as those of the unchanged module, plus a minute.

A mutant whose tests take longer counts as killed.
"""
_OPERATORS = (
    *("AddNot", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator", "ZeroIterationForLoop"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub"),
    *(f"ReplaceBinaryOperator_{each}" for each in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div")),
    *(f"ReplaceBinaryOperator_{each}" for each in ("Mod_FloorDiv", "Pow_Mul", "BitAnd_BitOr", "BitOr_BitAnd")),
    *(f"ReplaceComparisonOperator_{each}" for each in ("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE")),
    *(
        f"ReplaceComparisonOperator_{each}"
        for each in ("GtE_Gt", "GtE_Lt", "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")
    ),
)
"""Operators of cosmic-ray: each expression changes in one or two ways, where cosmic-ray has up to eleven."""
_ARITHMETIC = ("arith_expr", "term", "power", "expr", "and_expr")
"""Parents of binary operators; cosmic-ray also takes the ``*`` of a function's parameters for one."""
_SPAWNED = multiprocessing.get_context("forkserver")
_IMPORTED_ONCE = ["pytest", "hypothesis", "numpy", "pandas", "scipy.stats", "boto3", "pyarrow", "rich.console"]
"""Modules that the server of forks imports, so that no run of tests has to."""


class Mutant(NamedTuple):
    """One change of one module."""

    module: str
    """Path below the repository."""
    start: tuple[int, int]
    end: tuple[int, int]
    operator: str
    occurrence: int
    """Number of the place among those in the module that the operator can change."""


class Result(NamedTuple):
    """A mutant with the outcome of its tests."""

    mutant: Mutant
    killed: bool
    diff: str


class ReturnNone:
    """An operator for cosmic-ray, which has none like it: ``return value`` becomes ``return None``."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Yield the place of a node that returns a value, but not of False, which callers treat as None."""
        if node.type == "return_stmt" and node.children[1].get_code().strip() not in ("None", "False"):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        """Return the node with None for its value."""
        from parso.python.tree import Keyword  # noqa: PLC0415

        node.children[1:] = [Keyword("None", node.children[1].start_pos, prefix=" ")]
        return node


def listed(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the files of tests by the module that they test, as ``mutation.ini`` lists them.

    :raises SystemExit: a pattern matches no module that an earlier one does not, or a file of tests does not exist.
    """
    ini = configparser.ConfigParser(delimiters="=", interpolation=None)
    ini.read(root / "tools" / "mutation.ini", encoding="utf-8")
    found: dict[str, list[str]] = {}
    for pattern, tests in ini["tests"].items():
        modules = {path.relative_to(root).as_posix() for path in root.glob(pattern)} - found.keys()
        if not modules:
            raise SystemExit(f"tools/mutation.ini: {pattern} matches no module; name the module by its new path.")
        for test in tests.split():
            if not (root / test).is_file():
                raise SystemExit(f"tools/mutation.ini: {test} does not exist; name the tests by their new path.")
        found |= {module: tests.split() for module in modules if not module.endswith("__init__.py")}
    return dict(sorted(found.items()))


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, but not those of annotations and of what a decorator is given.

    Most tests cannot see the latter: ``frozen=True``, the size of a cache.
    """
    from cosmic_ray.ast import ast_nodes, get_ast_from_path  # noqa: PLC0415

    nodes = list(ast_nodes(get_ast_from_path(ROOT / module)))
    for name, operator in _operators().items():
        positions = ((node, place) for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (node, (start, end)) in enumerate(positions):
            if _is_evaluated(node) and (not name.startswith("ReplaceBinary") or node.parent.type in _ARITHMETIC):
                yield Mutant(module, start, end, name, occurrence)


def sampled(mutants: Iterable[Mutant], size: int, generator: random.Random) -> list[Mutant]:
    """Return mutants of ``size`` random places, or of all if there are fewer: one of each place, in random order.

    Places are drawn rather than mutants, since some have more mutants than others.
    """
    places: dict[tuple[object, ...], list[Mutant]] = {}
    for mutant in sorted(mutants):
        places.setdefault(mutant[:3], []).append(mutant)
    return [generator.choice(places[place]) for place in generator.sample(list(places), min(size, len(places)))]


def report(results: Sequence[Result]) -> str:
    """Return a table of the mutants killed, by module."""
    all_, killed = Counter(result.mutant.module for result in results), Counter[str]()
    killed.update(result.mutant.module for result in results if result.killed)
    rows = [(module, killed[module], all_[module]) for module in sorted(all_)]
    rows.append(("all", sum(killed.values()), sum(all_.values())))
    width = max(map(len, ["all", *all_]))
    table = [
        f"{module:{width}} {dead:5} of {total:4} killed {dead / (total or 1):6.0%}" for module, dead, total in rows
    ]
    return "\n".join(table)


def passes(results: Sequence[Result]) -> bool:
    """Return True if the tests killed at least :data:`GOAL` of the mutants."""
    return sum(result.killed for result in results) >= GOAL * len(results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, print what survives and how many were killed, and return 0 if enough were.

    An interrupted run prints what it has found and returns 130.
    """
    options = _parser().parse_args(arguments)
    for each in (signal.SIGTERM, signal.SIGINT):  # a shell's background ignores the latter
        signal.signal(each, _interrupt)
    tests = listed()
    modules = options.modules or list(tests)
    if unknown := set(modules) - tests.keys():
        raise SystemExit(
            f"tools/mutation.ini does not list {', '.join(sorted(unknown))}; add it, or name one it lists."
        )
    mutants = [mutant for module in modules for mutant in mutants_of(module)]
    chosen = mutants if options.all else sampled(mutants, options.sample, random.Random(options.seed))
    print(f"{len(chosen)} of {len(mutants)} mutants in {len(modules)} modules, --seed {options.seed}", flush=True)
    results: list[Result] = []
    code = 0
    with tempfile.TemporaryDirectory(prefix="mut-") as directory:
        try:
            _run(chosen, tests, Path(directory), options.workers, results)
        except KeyboardInterrupt:
            code = 130
    print(report(results))
    return code or (0 if passes(results) else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="mutate these only: paths as in tools/mutation.ini")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="number of mutants (%(default)s)")
    parser.add_argument("--all", action="store_true", help="every mutant, which takes hours")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the sample; printed by each run")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs of tests in parallel (%(default)s)")
    return parser


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# --- mutants ------------------------------------------------------------------------------------------------------


def _operators() -> dict[str, Any]:
    from cosmic_ray.plugins import get_operator  # noqa: PLC0415

    return {name: get_operator(f"core/{name}")() for name in _OPERATORS} | {"ReturnNone": ReturnNone()}


def _is_evaluated(node: Any) -> bool:
    while parent := node.parent:
        if parent.type in ("annassign", "tfpdef") and node is parent.children[2 if parent.type == "tfpdef" else 1]:
            return False
        if parent.type == "decorator" or (parent.type == "funcdef" and node is parent.annotation):
            return False
        node = parent
    return True


def _mutated(source: str, mutant: Mutant) -> str | None:
    """Return the changed source, or None if Python reads it as the same or not at all."""
    from cosmic_ray.mutating import mutate_code  # noqa: PLC0415

    changed = mutate_code(source, _operators()[mutant.operator], mutant.occurrence)
    try:
        return None if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)) else str(changed)
    except SyntaxError:
        return None


def _diff(source: str, changed: str, mutant: Mutant) -> str:
    lines = difflib.unified_diff(
        source.splitlines(), changed.splitlines(), mutant.module, mutant.operator, n=2, lineterm=""
    )
    return "\n".join([*lines, ""])


# --- runs of tests ------------------------------------------------------------------------------------------------


def _run(
    mutants: Sequence[Mutant], tests: dict[str, list[str]], directory: Path, workers: int, results: list[Result]
) -> None:
    """Append the result of each mutant to ``results``, and print it."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    _SPAWNED.set_forkserver_preload(_IMPORTED_ONCE)
    runs = _Runs(directory, workers)
    keys = [tuple(tests[mutant.module]) for mutant in mutants]
    with ThreadPoolExecutor(workers) as pool:
        try:
            unchanged = sorted(set(keys))
            limits = dict(zip(unchanged, pool.map(runs.limit, unchanged), strict=True))
            futures = [
                pool.submit(runs.result, each, key, limits[key]) for each, key in zip(mutants, keys, strict=True)
            ]
            for number, future in enumerate(as_completed(futures), 1):
                if result := future.result():
                    results.append(result)
                    _print(f"{number:4}/{len(futures)}", result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runs.end()
            raise


def _print(number: str, result: Result) -> None:
    place = f"{result.mutant.module}:{result.mutant.start[0]} {result.mutant.operator}"
    print(number, "killed  " if result.killed else "SURVIVED", place, flush=True)
    if not result.killed:
        print(result.diff, flush=True)


class _Runs:
    """Runs of tests, each in a new process, in copies of the repository."""

    def __init__(self, directory: Path, workers: int) -> None:
        self._temporary = directory / "tmp"
        self._temporary.mkdir()
        self._copies: SimpleQueue[Path] = SimpleQueue()
        self._running: set[Any] = set()
        self._ended = threading.Event()
        for number in range(workers):
            _copy_repository(directory / str(number))
            self._copies.put(directory / str(number))

    def limit(self, tests: tuple[str, ...]) -> float:
        """Return the longest time that tests may take with a mutant, in seconds: it follows from their time without.

        :raises SystemExit: they fail without.
        """
        copy = self._copies.get()
        start = time.monotonic()
        try:
            if self._fails(copy, tests, None):
                log = copy.with_suffix(".log").read_text(errors="replace")
                raise SystemExit(
                    f"{log}\n{' '.join(tests)}: failed before anything was changed; fix these tests first."
                )
        finally:
            self._copies.put(copy)
        return 60 + _SLOWER * (time.monotonic() - start)

    def result(self, mutant: Mutant, tests: tuple[str, ...], limit: float) -> Result | None:
        """Return the outcome of one mutant, or None if the change leaves the syntax tree as it was or is no Python."""
        copy = self._copies.get()
        path = copy / mutant.module
        source, times = path.read_text(encoding="utf-8"), path.stat()
        try:
            if (changed := _mutated(source, mutant)) is None:
                return None
            path.write_text(changed, encoding="utf-8")
            return Result(mutant, self._fails(copy, tests, limit), _diff(source, changed, mutant))
        finally:
            path.write_text(source, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as what is compiled says
            self._copies.put(copy)

    def end(self) -> None:
        """Kill the runs of tests."""
        self._ended.set()
        for process in list(self._running):
            _kill(process)

    def _fails(self, copy: Path, tests: tuple[str, ...], limit: float | None) -> bool:
        process = _SPAWNED.Process(target=_run_tests, args=(copy, self._temporary, tests, limit is None))
        process.start()
        self._running.add(process)
        if self._ended.is_set():
            _kill(process)
        try:
            process.join(limit)
        finally:
            _kill(process)  # also what the tests left in its group
            process.join()
            self._running.discard(process)
        return process.exitcode != 0


def _copy_repository(directory: Path) -> None:
    """Copy what git knows or would add."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # and not deleted since
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)


def _kill(process: Any) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _run_tests(copy: Path, temporary: Path, tests: tuple[str, ...], compiled: bool) -> None:
    """Run tests in a copy of the repository until one fails. This is the target of a new process."""
    os.setsid()
    log = os.open(copy.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy), "TMPDIR": str(temporary)}
    sys.path[:] = [str(copy), *(each for each in sys.path if each and Path(each) != ROOT)]
    sys.dont_write_bytecode = not compiled
    if not compiled:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    import pytest  # noqa: PLC0415 - from here on, what the copy has is imported

    sys.exit(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]))


if __name__ == "__main__":
    sys.exit(main())
