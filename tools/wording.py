"""Check of the project's wording: phrases that an English-speaking engineer reads twice, each with a replacement.

``python tools/wording.py [FILE ...]`` checks the given files, or every text file of the checkout. It reads the comments
and strings of Python, Markdown without its code, and other files whole. It finds phrases across line breaks and
adjacent string literals, and skips names in backticks and URLs.

A line that needs the phrase ends with the comment ``wording: allow``: ``# wording: allow`` in Python (after the closing
quotes for a string of several lines), ``<!-- wording: allow -->`` in Markdown.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ALLOW = "wording: allow"
READ = {".ini", ".ipynb", ".j2", ".js", ".md", ".py", ".toml", ".yaml", ".yml"}
SKIPPED = re.compile(r"\.min\.js$|^tests/fuzz/corpus/|^tools/wording\.py$|^tests/unit/test_wording\.py$")
"""Vendored and generated files, and the two that have to quote the phrases."""
_CODE = "\0"
"""Replaces each character that is not prose, so that no phrase spans code."""


class Rule(NamedTuple):
    """A phrase to replace. A space in the pattern matches line breaks too, and its groups do not capture."""

    pattern: str
    replacement: str


class Finding(NamedTuple):
    """A phrase found in a file."""

    line: int
    words: str
    replacement: str


RULES = (
    Rule(r"led to|leads? (?:to|it|them|there|clients)", "points to, configured to use, redirected, results in"),
    Rule(r"of (?:no )?use", "applies, has no effect"),
    Rule(r"tells?|telling|told", "report, print, explain"),
    Rule(r"noted|not(?:e|es|ing) (?:an?|the|each|every|which|what|it|them)", "record, metadata"),
    Rule(r"(?:left|leav(?:e|es|ing)) (?:\w+ ){0,3}out", "skipped, omitted"),
    Rule(r"go(?:es|ing)? on|went on", "resumes, continues"),
    Rule(r"mend(?:s|ed|ing)?", "fix"),
    Rule(r"beside", "compared with, next to, in parallel"),
    Rule(r"in turns", "interleaved, alternating"),
    Rule(r"by lots?(?! of)", "in random order"),
    Rule(r"(?<!\0\x20)st(?:ands?|anding|ood) (?:for|behind)", "represents, backs"),
    Rule(r"(?:an|the|each|every|no|one|of) offers?(?! (?:file|index|code|term))", "an instance option"),
    Rule(r"in vain", "timed out, failed"),
    Rule(r"parted|(?:to|that|must|can) part|parts (?:two|them|no)", "wrap, split"),
    Rule(r"figures?(?! \d|[\"':]|, \w+ =)", "value, metric, number"),
    Rule(r"c[ao]mes? of|comes? to(?: be)?|came to", "result in, reach"),
    Rule(r"so many", "N, a number of"),
    Rule(r"whoever|somebody|nobody", "the caller, a user, no one"),
    Rule(r"anew", "again"),
    Rule(r"look(?:s|ed|ing)? at", "check, inspect"),
    Rule(r"(?:is|are|was|were) (?:there already|already there)", "exists"),
    Rule(r"(?:by|to) the letter", "strictly"),
    Rule(r"oddit(?:y|ies)|oddly|(?<!or\x20)odd(?! (?:or|and|numbers?|counts?|lengths?))", "deviation, nonstandard"),
    Rule(r"slips? of the pen", "typo"),
    Rule(r"of (?:AWS|SageMaker|Spark|XGBoost|moto|the user)['’]s", "the genitive alone: AWS's, the user's"),
    Rule(r"of (?:\w+ )?\w+['’]s(?=[.,;:)]| (?:and|or|that|which|is|are|was|were|in|for|at|to|with|from|on|by|as)\b)",
         "the genitive alone, before its noun"),
    Rule(r"of (?:one['’]s|my|your|its|his|her|our|their) own", "your own, its own"),
)  # fmt: skip
_PHRASES = re.compile(
    r"\b(?<![-.])(?:" + "|".join(f"({rule.pattern})" for rule in RULES).replace(" ", r"\s+") + r")\b", re.IGNORECASE
)
"""All rules; the number of the group that matched is the rule's."""
_QUESTION = r"(?:what|how|who|whose|whether|where|which|when an?)\b"
_OPENER = re.compile(rf"\s*({_QUESTION})", re.IGNORECASE)
_HEADING_OR_CELL = re.compile(rf"^(?:#+|\|(?:.*\|)??) *({_QUESTION})", re.IGNORECASE | re.MULTILINE)
_NAME_IT = "open with the thing's name"
_NAME_OR_URL = re.compile(r"(`+)(?:[^\0\n]|\n(?!\s*\n))+?\1|https?://[^\s)>\"]+|(?<=\]\()[^)]*")
_TAG = re.compile(r"<[^>]*>|\{\{.*?\}\}|\{%.*?%\}")
_NOT_PROSE = {".py": _NAME_OR_URL, ".md": _NAME_OR_URL, ".j2": _TAG}
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^ *\2[`~]*$", re.MULTILINE | re.DOTALL)
_F_STRING_FIELD = re.compile(r"\{[^{}]*\}")
_F_STRING_MIDDLE = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)


def check(text: str, suffix: str) -> list[Finding]:
    """Return the phrases to replace in the text of a file with that suffix; raise SyntaxError for broken Python."""
    if suffix == ".py":
        prose, openers, allowed = _read_python(text)
    else:
        prose = _FENCE.sub(_hide, text) if suffix == ".md" else text
        openers = _heading_and_cell_openers(prose) if suffix == ".md" else []
        allowed = {number for number, line in enumerate(text.splitlines(), 1) if ALLOW in line}
    if suffix in _NOT_PROSE:
        prose = _NOT_PROSE[suffix].sub(_hide, prose)
    found = sorted([*openers, *_phrases(prose)])
    return [finding for finding in found if finding.line not in allowed]


def _phrases(prose: str) -> Iterator[Finding]:
    for match in _PHRASES.finditer(prose):
        rule = RULES[(match.lastindex or 0) - 1]
        yield Finding(prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), rule.replacement)


def _hide(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", _CODE, match[0])


# ---- Python


def _read_python(text: str) -> tuple[str, list[Finding], set[int]]:
    """Return a module's prose, its docstrings' question words and the lines with permission.

    The prose is as long as the text. Code is hidden; quotes and comment signs become blanks, so that phrases are found
    in adjacent string literals and in comments of several lines.
    """
    starts = list(accumulate(map(len, text.splitlines(keepends=True)), initial=0))
    prose = list(re.sub(r"\S", _CODE, text))
    openers = []
    allowed: set[int] = set()
    string_lines = range(0)
    statement_begins = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (first, column), (last, end) = token.start, token.end
        if token.type in (tokenize.COMMENT, tokenize.STRING, _F_STRING_MIDDLE):
            words = _words_of(token)
            prose[starts[first - 1] + column : starts[last - 1] + end] = words
        if token.type == tokenize.STRING:
            string_lines = range(first, last + 1)
            if statement_begins and (opener := _OPENER.match(words)):  # a docstring, of a variable too
                openers.append(Finding(first, opener[1], _NAME_IT))
        elif token.type == tokenize.COMMENT and ALLOW in token.string:
            allowed |= {first, *(string_lines if last in string_lines else ())}
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            statement_begins = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return "".join(prose), openers, allowed


def _words_of(token: tokenize.TokenInfo) -> str:
    """Return the words of a comment or string, padded to its length."""
    if token.type == tokenize.COMMENT:
        return token.string.replace("#", " ")
    if token.type != tokenize.STRING:
        return token.string
    prefix, quotes = re.match(r"(\w*)(\"\"\"|\'\'\'|\"|\')", token.string).groups()  # type: ignore[union-attr]
    inner = token.string[len(prefix + quotes) : -len(quotes)]
    if not re.search(r"\s", inner):  # a name or a path
        return _CODE * len(token.string)
    if "f" in prefix.lower():
        inner = _F_STRING_FIELD.sub(_hide, inner)
    inner = re.sub(r"\\[nrt]", "  ", inner)
    return " " * len(prefix + quotes) + inner + " " * len(quotes)


# ---- Markdown


def _heading_and_cell_openers(text: str) -> list[Finding]:
    return [
        Finding(text.count("\n", 0, match.start(1)) + 1, match[1], _NAME_IT)
        for match in _HEADING_OR_CELL.finditer(text)
    ]


# ---- files


def prose_files() -> list[Path]:
    """Return the checkout's text files, without those that git ignores."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = sorted(set(filter(None, listed.split("\0"))))
    paths = [ROOT / name for name in names if Path(name).suffix in READ and not SKIPPED.search(name)]
    return [path for path in paths if path.is_file()]


def main(arguments: list[str]) -> int:
    """Print a line for each phrase to replace; return 1 if there is one."""
    rows = []
    for path in map(Path, arguments) if arguments else prose_files():
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for line, words, replacement in check(path.read_text(encoding="utf-8"), path.suffix):
            rows.append(f"{name}:{line}: “{words}”: {replacement}")
    for row in rows:
        print(row)
    if rows:
        print(f"{len(rows)} phrases to replace; a line may end with the comment “{ALLOW}”.", file=sys.stderr)
    return 1 if rows else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
