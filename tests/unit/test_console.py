"""Values are wrapped on a terminal and have one line each in a log. Text from outside is escaped."""

import json
import math
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.console import (
    Column,
    ConsoleProgress,
    PlainConsole,
    cannot_be_written,
    digits,
    duration,
    markdown_code,
    markdown_table,
    markdown_text,
    percent,
    plural,
    print_check,
    print_figures,
    print_json,
    print_text,
    printable,
    printable_text,
    progress_bar,
    require_writable,
    rough_time,
    terminal_table,
    widened,
)
from harness.errors import Check, HarnessError, SettingsError

LONG = "seconds " * 20


def printed(capsys, **console):
    print_figures(Console(width=60, **console), [("accuracy", "0.9"), ("left over", LONG), ("report", "a\nb")])
    return capsys.readouterr().out.splitlines()


def test_a_log_has_one_line_for_each_value(capsys):
    assert printed(capsys) == ["accuracy   0.9", f"left over  {LONG}", "report     a", "           b"]


def test_a_terminal_has_long_values_wrapped(capsys):
    lines = printed(capsys, force_terminal=True, no_color=True)
    assert len(lines) > 4
    assert Text.from_ansi(lines[0]).plain.rstrip() == "accuracy   0.9"
    assert max(map(len, lines)) < len(LONG)


def test_a_terminal_folds_values_and_no_names(capsys):
    print_figures(Console(width=14, force_terminal=True), [("left over", "a b c d")])
    assert Text.from_ansi(capsys.readouterr().out).plain.split("\n")[0].startswith("left over  a")


def test_brackets_are_text(capsys):
    print_figures(Console(width=60), [("local", "local[*]")])
    assert capsys.readouterr().out == "local  local[*]\n"


ODD = "a\x1b[2J\x1b]0;title\x07\u202eb\r\x9bc\ud800[red]d[/red]:boom:"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\u202eb\r\x9bc\ud800[red]d[/red]:boom:"


def test_control_characters_are_escaped_and_other_alphabets_are_not():
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
    ("text", "code"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        ("`a", "`` `a ``"),
        ("a`", "`` a` ``"),
        ("<b>\n", "`<b>\\n`"),
        ("`", "`` ` ``"),
    ],
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
def test_text_from_outside_is_shown_without_control_characters(text, shown):
    assert printable(text) == shown


COLUMNS = [Column("name", folds=True), Column("rows", right=True)]


def test_a_table_of_a_terminal_aligns_numbers_to_the_right(capsys):
    PlainConsole(width=40).print(terminal_table(COLUMNS, [("[a]", "1,000"), ("b", "7")]))
    assert capsys.readouterr().out.splitlines() == ["name   rows", "[a]   1,000", "b         7"]


def test_a_bar_in_a_cell_of_a_markdown_table_ends_no_cell():
    lines = list(markdown_table(COLUMNS, [("a|b", "1")]))
    assert lines == ["| name | rows |", "| --- | ---: |", "| a\\|b | 1 |"]


def test_json_has_no_character_that_a_terminal_obeys(capsys):
    print_json({"name": ODD})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": ODD}
    assert out.isascii()
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("number", "significant", "shown"),
    [(1240, 3, "1,240"), (12.44, 3, "12.4"), (0.01236, 3, "0.0124"), (24.312, 4, "24.31"), (0, 3, "0")],
)
def test_a_number_has_the_given_significant_digits_and_separated_thousands(number, significant, shown):
    assert digits(number, significant) == shown


def test_progress_in_a_file_is_a_line_for_each_stage_that_ended(capsys):
    progress = ConsoleProgress(PlainConsole())
    progress.begin("train")
    progress.update("job Training")
    progress.end("train", 12.34)
    assert capsys.readouterr().out == "  train           12.3 s\n"


def test_a_progress_bar_in_a_file_prints_nothing(capsys):
    with progress_bar(PlainConsole(), "searching", 2) as advance:
        advance()
    assert capsys.readouterr().out == ""


def test_a_path_that_cannot_be_written_is_named_with_its_option_and_reason():
    error = cannot_be_written("--figures", Path("x"), OSError(13, "Permission denied"))
    assert error.what == "--figures is x, which cannot be written: Permission denied."
    assert error.fix.startswith("name a directory that you may write to")


def test_a_failed_check_prints_the_error_and_its_fix(capsys):
    print_check(PlainConsole(), Check.failed("Java", HarnessError("No Java.", fix="install one")))
    assert capsys.readouterr().out.splitlines() == ["missing Java       No Java.", f"{'':19}to fix: install one"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1240, "1,240"),
        (12.44, "12.4"),
        (0.01236, "0.0124"),
        (1234.5, "1,230"),
        (-5, "-5.00"),
        (0, "0"),
        (math.inf, "–"),
    ],
)
def test_a_number_has_three_digits(number, shown):
    assert digits(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(90, "90.0 s"), (1, "1.00 s"), (0.0124, "12.4 ms"), (0.001, "1.00 ms"), (2e-6, "2.00 µs"), (3e-10, "0.300 ns")],
)
def test_a_duration_is_in_the_largest_unit_that_it_fills(seconds, shown):
    assert duration(seconds).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(99, "99 s"), (100, "2 minutes"), (720, "12 minutes"), (5940, "99 minutes"), (6000, "1.7 hours")],
)
def test_a_rough_time_is_in_seconds_then_minutes_then_hours(seconds, shown):
    assert rough_time(seconds) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"), [(1.12, "+12 %"), (0.5, "−50 %"), (1, "+0 %"), (1.99, "+99 %"), (2, "2.00 times")]
)
def test_a_ratio_is_a_percentage_up_to_twice_as_much(ratio, shown):
    assert percent(ratio).replace("\u00a0", " ") == shown


def test_only_one_is_singular():
    assert [plural(count, "run") for count in (0, 1, 2, 1000)] == ["0 runs", "1 run", "2 runs", "1,000 runs"]


def test_a_file_is_240_columns_wide_and_a_terminal_as_wide_as_it_is():
    assert widened(Console(width=60)).width == 240
    assert widened(Console(width=60, force_terminal=True)).width == 60


def test_a_directory_for_results_is_made_and_keeps_no_earlier_result(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "old.json").touch()
    require_writable(tmp_path / "a" / "b", ["old.json", "never.json"])
    require_writable(tmp_path / "c" / "d")
    assert not list((tmp_path / "a" / "b").iterdir())
    assert (tmp_path / "c" / "d").is_dir()


def test_a_directory_that_cannot_be_written_to_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=f"--output is {tmp_path / 'file'}"):
        require_writable(tmp_path / "file")
