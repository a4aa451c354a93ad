"""Figures are printed for who reads them: folded on a terminal, a line each in a log. Text from outside is text."""

import sys

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.console import (
    PlainConsole,
    markdown_code,
    markdown_text,
    print_figures,
    print_text,
    printable,
    printable_text,
)

LONG = "seconds " * 20


def printed(capsys, **console):
    print_figures(Console(width=60, **console), [("accuracy", "0.9"), ("left over", LONG), ("report", "a\nb")])
    return capsys.readouterr().out.splitlines()


def test_a_log_has_a_line_a_figure_however_long(capsys):
    assert printed(capsys) == ["accuracy   0.9", f"left over  {LONG}", "report     a", "           b"]


def test_a_terminal_has_long_figures_folded_below_their_values(capsys):
    lines = printed(capsys, force_terminal=True, no_color=True)
    assert len(lines) > 4
    assert max(map(len, lines)) < len(LONG)


def test_brackets_are_text(capsys):
    print_figures(Console(width=60), [("local", "local[*]")])
    assert capsys.readouterr().out == "local  local[*]\n"


ODD = "a\x1b[2J\x1b]0;title\x07\u202eb\r\x9bc\ud800[red]d[/red]:boom:"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\u202eb\r\x9bc\ud800[red]d[/red]:boom:"


def test_what_a_terminal_would_obey_is_escaped_and_other_alphabets_are_not():
    assert printable(ODD) == SHOWN
    assert printable("naïve 名前 🙂\n") == "naïve 名前 🙂\\n"
    assert printable_text("12\u00a0ms\n\x1b") == "12\u00a0ms\n\\x1b"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_prints_text_from_outside_literally(capsys, terminal):
    table = Table(ODD, box=None)
    table.add_row(Text(ODD))
    console = PlainConsole(width=200, force_terminal=terminal, no_color=True)
    for each in (ODD, Text(ODD), table):
        console.print(each)
    printed = capsys.readouterr().out
    # rich takes some control characters out, and folds what is in a table
    assert printed.count(r"a\x1b[2J\x1b]0;title\u202eb\x9bc\ud800[red]d[/red]:boom:") == 2
    assert printed.count(r"\x1b[2J") == 4
    assert not {"\x07", "\u202e", "\r", "\x9b"} & set(printed)
    assert "\x1b[2J" not in printed
    assert "\x1b]" not in printed


def test_an_error_is_printed_literally(capsys):
    print_text(f"harness: no such file {ODD}\n  to fix: …", sys.stderr)
    assert capsys.readouterr().err == f"harness: no such file {SHOWN}\n  to fix: …\n"


@pytest.mark.parametrize(
    ("text", "code"), [("a", "`a`"), ("a`b", "``a`b``"), ("``", "``` `` ```"), ("<b>\n", "`<b>\\n`"), ("`", "`` ` ``")]
)
def test_code_in_markdown_cannot_be_ended(text, code):
    assert markdown_code(text) == code


def test_text_in_markdown_has_neither_html_nor_links():
    shown = markdown_text("test_a[x] ![x](http://x) [x][y] [x]: y <img> `a` & \x1b")
    assert shown == r"test_a[x] ![x]\(http://x) [x]\[y] [x]\: y &lt;img> \`a\` &amp; \\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m red", r"\x9b31m red"),
        ("a\nb\r\tc\x7f", r"a\nb\r\tc\x7f"),
        ("nimda\u202etxt\u2066.\u200b\ufeff\u2028", r"nimda\u202etxt\u2066.\u200b\ufeff\u2028"),
        ("\udce4", r"\udce4"),
        ("Müller/数据/[red]{}", "Müller/数据/[red]{}"),
    ],
)
def test_a_text_from_outside_is_shown_without_a_character_that_a_terminal_obeys(text, shown):
    assert printable(text) == shown
