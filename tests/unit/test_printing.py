"""Figures are printed for who reads them: folded on a terminal, a line each in a log."""

from rich.console import Console

from harness.printing import print_figures

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
