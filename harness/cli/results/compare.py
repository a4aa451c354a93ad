"""``harness compare``: compares benchmark results, and prints verdicts as text, Markdown or JSON."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import Command, add_form
from harness.errors import ResultsError, SettingsError

if TYPE_CHECKING:
    from harness.bench.analysis.comparison import BenchmarkChange, Versus

_SLOWER = 1
_STYLES = {"faster": "green", "slower": "bold red", "same": "dim", "inconclusive": "yellow", "refused": "magenta"}
"""By verdict."""
_EXPLAINED = "docs/explanation/statistics.md"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="RESULTS",
        help="two or more files or directories; one is enough with --by",
    )
    parser.add_argument("--by", metavar="PARAMETER", help="compare the variants of parametrized benchmarks in the "
        "same sessions, such as 'batch' or, with the base first, 'batch=100,1'")  # fmt: skip
    parser.add_argument(
        "--fail-on",
        metavar="SHARE",
        help="exit with 1 if a benchmark is slower by more than this percentage with confidence, such as 5%%",
    )
    add_form(parser)


def _run(options: argparse.Namespace) -> int:
    if len(options.results) < 2 and options.by is None:
        raise SettingsError(
            "harness compare needs two or more results.",
            fix="name them: harness compare base/ changed/, or compare the variants of a benchmark with --by PARAMETER",
        )
    return run_compare(options.results, options.form, options.fail_on, options.by)


def run_compare(paths: Sequence[Path], form: str, fail_on: str | None, by: str | None = None) -> int:
    """Compare results, print the comparison, and return the command's exit code.

    :param form: ``terminal``, ``markdown`` or ``json``.
    :param fail_on: the largest slowdown that passes, such as ``5%``; None lets all pass.
    :param by: the parameter whose values are compared, within the results (``batch``, ``batch=100,1``).
    :return: 1 if a benchmark is slower by more than that with confidence; else 4 if one had to be refused; else 0.
        An inconclusive benchmark passes: a gate that fails by chance is soon switched off.
    :raises SettingsError: ``fail_on`` is not a percentage.
    :raises ResultsError: as :func:`harness.bench.analysis.comparison.compare`.
    """
    from harness.bench.analysis.comparison import compare
    from harness.bench.analysis.variants import By, compare_variants
    from harness.console import print_text

    threshold = None if fail_on is None else percentage(fail_on)
    versuses = compare(paths) if by is None else compare_variants(paths, By.read(by))
    for problem in dict.fromkeys(problem for versus in versuses for problem in versus.left_out):
        print_text(f"harness: skipped: {problem}", sys.stderr)
    _FORMS[form](versuses)
    rows = [row for versus in versuses for row in versus.rows]
    if threshold is not None:
        _print_gate(versuses, threshold)
        if any(failing(row, threshold) for row in rows):
            return _SLOWER
    return ResultsError.exit_code if any(row.refusal for row in rows) else 0


def percentage(text: str) -> float:
    """Return ``5%`` as 0.05.

    :raises SettingsError: the text is not a percentage.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text)
    if not match:
        raise SettingsError(f"--fail-on is {text!r}, which is not a percentage.", fix="give one, such as --fail-on 5%")
    return float(match[1]) / 100


def failing(row: BenchmarkChange, threshold: float) -> bool:
    """Return whether a benchmark is slower by more than the threshold with confidence."""
    return not row.refusal and row.effect.slower_than(threshold)


def _print_gate(versuses: Sequence[Versus], threshold: float) -> None:
    """Print the reasons for the exit code, and what the gate could not judge, on standard error."""
    from harness.bench.analysis.comparison import unsure_test
    from harness.bench.analysis.statistics import Verdict
    from harness.console import print_text

    rows = [row for versus in versuses for row in versus.rows]
    found = [row.name for row in rows if failing(row, threshold)]
    limit = f"{threshold * 100:g} %"
    sys.stdout.flush()
    print_text(f"slower by more than {limit} with confidence: {', '.join(found) or 'nothing'}", sys.stderr)
    unsure = [row for row in rows if row.verdict is Verdict.INCONCLUSIVE and not failing(row, threshold)]
    for row in unsure:
        if row.effect.low > threshold:
            why = unsure_test(row.effect)
            print_text(f"passed, although the whole interval is above {limit}: {row.name}: {why}", sys.stderr)
    count = sum(row.effect.low <= threshold < row.effect.high for row in unsure)
    if count:
        print(f"passed, although {limit} slower cannot be ruled out: {count} inconclusive", file=sys.stderr)
    for versus in versuses:
        if versus.vanished:
            print_text(
                f"not checked, because {versus.other.label} lacks them: {', '.join(versus.vanished)}", sys.stderr
            )


# --- values -----------------------------------------------------------------------------------------------------------


def _change(row: BenchmarkChange) -> str:
    """Return the change; a dash for a refused benchmark, which has none."""
    if row.refusal:
        return "–"
    return f"{row.effect.change:+.1%}".replace("%", " %")


def _interval(row: BenchmarkChange) -> str:
    if row.refusal or math.isinf(row.effect.high):
        return "–"
    return f"{row.effect.low * 100:+.1f} to {row.effect.high * 100:+.1f} %"


def _times(row: BenchmarkChange) -> str:
    """Return both times in the unit of the smaller one, whichever is the base: ``22.10 → 24.30 ms``."""
    from harness.console import digits, unit_of

    size, name = unit_of(min(row.base, row.other))
    return f"{digits(row.base / size, 4)} → {digits(row.other / size, 4)} {name}"


def _tests(versuses: Sequence[Versus]) -> str:
    kinds = {versus.alternated for versus in versuses}
    return " and ".join(name for kind, name in ((True, "signed-rank"), (False, "rank-sum")) if kind in kinds)


def _legend(versuses: Sequence[Versus]) -> str:
    """Return the conditions of the verdicts, and the page that explains the statistics."""
    from harness.bench.analysis.statistics import CONFIDENCE, MINIMUM_EFFECT

    return (
        f"Faster, slower: the whole {CONFIDENCE:.0%} interval is beyond {MINIMUM_EFFECT:.0%}, and the "
        f"{_tests(versuses)} test agrees. Same: it is within. Explained in {_EXPLAINED}."
    ).replace("%", " %")


def _method(versuses: Sequence[Versus]) -> str:
    """Return the interval and the test that the verdicts rest on, for statisticians."""
    from harness.bench.analysis.statistics import CONFIDENCE, MINIMUM_EFFECT

    count = sum(not row.refusal for versus in versuses for row in versus.rows)
    unit = "blocks or sessions" if any(versus.units for versus in versuses) else "runs"
    return (
        f"Intervals: {CONFIDENCE:.0%}, studentised bootstrap of the 20% trimmed mean log ratio of {unit}. Test: "
        f"Wilcoxon's {_tests(versuses)}, by randomisation, at {1 - CONFIDENCE:.0%} of all {count} together "
        f"(greatest statistic). Faster, slower: beyond ±{MINIMUM_EFFECT:.0%}; same: within."
    ).replace("%", " %")


def _runs(versus: Versus) -> str:
    if versus.units:
        return versus.units
    base, other = len(versus.base.runs), len(versus.other.runs)
    if versus.alternated:
        return f"{base} and {other} runs, alternating"
    why = " (possibly because of the skipped files)" if versus.left_out else ""
    return f"{base} and {other} runs, not alternating{why}"


def _notes(versus: Versus) -> list[str]:
    differing = [f"{name} differs: {how}" for name, how in versus.differences.items()]
    refused = Counter(row.refusal for row in versus.rows if row.refusal)
    return [*differing, *(f"refused ({count}): {reason}" for reason, count in refused.items()), *versus.warnings]


def _unit(versus: Versus) -> str:
    return f"median {'block' if versus.units else 'run'}"


def _why(versus: Versus, row: BenchmarkChange) -> str:
    """Return the reason and the next step of an inconclusive benchmark, in one line; '' for any other.

    Too few runs are the reason of all benchmarks of a comparison, so that a warning below the table has it.
    """
    from harness.bench.analysis.statistics import LEAST_RUNS

    few = row.effect.runs < LEAST_RUNS
    return "" if few or not row.reason else f"{row.reason}; try {versus.next_step(row)}"


def _summary(versuses: Sequence[Versus]) -> str:
    from harness.bench.analysis.statistics import Verdict

    counts = Counter(row.verdict for versus in versuses for row in versus.rows)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])


# --- forms ------------------------------------------------------------------------------------------------------------


def _to_terminal(versuses: Sequence[Versus]) -> None:
    from rich.text import Text

    from harness.console import PlainConsole

    console = PlainConsole()
    console.soft_wrap = not console.is_terminal  # names are not wrapped in a file or a pipe
    for versus in versuses:
        console.print(f"{versus.other.label} against {versus.base.label}: {_runs(versus)}", style="bold")
        console.print(f"  {'verdict':<13} {'change':>9}  {'interval':<20} {_unit(versus)}", style="dim")
        for row in versus.rows:
            console.print(Text(row.name, overflow="fold"))
            verdict = Text(f"  {row.verdict.value:<13}", style=_STYLES[row.verdict.value])
            console.print(verdict + f" {_change(row):>9}  {_interval(row):<20} {_times(row)}")
            if why := _why(versus, row):
                console.print(Text(f"  why: {why}", style="yellow"))
        for note in _notes(versus):
            console.print(Text(f"! {note}", style="yellow"))
        console.print()
    console.print(Text(_summary(versuses), style="bold"))
    console.print(Text(_legend(versuses), style="dim"))


def _to_markdown(versuses: Sequence[Versus]) -> None:
    print("\n".join(_markdown(versuses)))


def _markdown(versuses: Sequence[Versus]) -> Iterable[str]:
    from harness.bench.analysis.statistics import CONFIDENCE
    from harness.console import Column, markdown_code, markdown_table, markdown_text

    yield f"**{_summary(versuses)}**"
    for versus in versuses:
        yield f"\n{markdown_code(versus.other.label)} against {markdown_code(versus.base.label)}: {_runs(versus)}\n"
        numbers = ("change", f"{CONFIDENCE:.0%} interval".replace("%", " %"), _unit(versus))
        columns = [*map(Column, ("benchmark", "verdict")), *(Column(name, right=True) for name in numbers)]
        yield from markdown_table(columns, [_markdown_row(row) for row in versus.rows])
        yield ""
        yield from (f"- skipped: {markdown_text(problem.what)}" for problem in versus.left_out)
        yield from (
            f"- {markdown_code(row.name)} is inconclusive: {why}" for row in versus.rows if (why := _why(versus, row))
        )
        yield from (f"- {markdown_text(note)}" for note in _notes(versus))
    yield f"\n<sub>{_legend(versuses)}</sub>"


def _markdown_row(row: BenchmarkChange) -> tuple[str, ...]:
    from harness.console import markdown_code

    verdict = f"**{row.verdict.value}**" if row.verdict.value in ("slower", "faster") else row.verdict.value
    return markdown_code(row.name), verdict, _change(row), _interval(row), _times(row)


def _to_json(versuses: Sequence[Versus]) -> None:
    from harness.bench.analysis.statistics import CONFIDENCE, MINIMUM_EFFECT
    from harness.console import print_json

    content = {
        "confidence": CONFIDENCE,
        "minimum_effect": MINIMUM_EFFECT,
        "method": _method(versuses),
        "comparisons": [_as_json(versus) for versus in versuses],
    }
    print_json(content)


def _as_json(versus: Versus) -> dict[str, Any]:
    return {
        "base": versus.base.label,
        "other": versus.other.label,
        "alternated": versus.alternated,
        "units": versus.units or _runs(versus),
        "differences": versus.differences,
        "left_out": [problem.what for problem in versus.left_out],
        "warnings": versus.warnings,
        "benchmarks": [_row_as_json(versus, row) for row in versus.rows],
    }


def _row_as_json(versus: Versus, row: BenchmarkChange) -> dict[str, Any]:
    effect = row.effect
    known = not math.isinf(effect.high)
    return {
        "name": row.name,
        "verdict": row.verdict.value,
        "refusal": row.refusal,
        "reason": row.reason,
        "next_step": versus.next_step(row) if row.reason else "",
        "base_seconds": row.base,
        "other_seconds": row.other,
        "change": None if row.refusal else effect.change,
        "low": effect.low if known else None,
        "high": effect.high if known else None,
        "p": effect.p,
        "runs": effect.runs,
    }


_FORMS = {"terminal": _to_terminal, "markdown": _to_markdown, "json": _to_json}

COMMAND = Command(
    "compare",
    "report which benchmarks became faster or slower",
    "Compare benchmark results (pytest-benchmark's JSON) with the first one. A directory holds one file for each run. "
    "Verdicts need 8 runs or more of each, ideally interleaved. With --by, the variants of a benchmark in the same "
    "sessions are compared, best of 'pytest --harness-alternate 12'.",
    _add_arguments,
    _run,
)
