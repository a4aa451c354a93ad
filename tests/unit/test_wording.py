import re

import pytest

from tools import wording

CAUGHT = [
    "The client is led to AWS.",
    "This leads to an error.",
    "The option is of no use here.",
    "The error tells the caller.",
    "The user is told.",
    "Each call is noted.",
    "Notes which call came first.",
    "Zeros are left out.",
    "Leave the missing values out.",
    "The run goes on.",
    "Mend the request.",
    "The medians stand beside it.",
    "Both run in turns.",
    "Sessions run in an order drawn by lot.",
    "The name stands for an image.",
    "The cheapest of offers wins; an offer has a price.",
    "Waited 60 s in vain.",
    "A space parts two fields.",
    "This figure is new.",
    "The request comes to nothing.",
    "There are so many rows.",
    "Nobody reads it.",
    "It is started anew.",
    "The text is looked at.",
    "The bucket is there already.",
    "Follow the rule by the letter.",
    "The line is odd.",
    "An oddity of the format.",
    "A slip of the pen.",
    "The limits of AWS's services.",
    "A session of the\nuser's is used.",
    "An option of pytest's, for sessions.",
    "A process of its own.",
    "A key of one's own.",
]
PASSING = [
    "Remove the leading blank; the lead is small.",
    "The use of a proxy; a list of users.",
    "``n`` stands for the number of rows.",
    "See the release notes. Note: this is slow.",
    "Recommended; the commit was amended.",
    "Besides, it is fast.",
    "Each in turn.",
    "Lots of rows, sorted by lots of keys.",
    "The API offers two operations; the offer file lists prices.",
    "Write it in two parts; part of a line.",
    "See figure 3, and `figure`, and --figures, figure, grid = plots().",
    "The outcome of the run; an overcome error.",
    "An odd number of rows, even or odd.",
    "The values of AWS options; it is AWS's.",
    "The name of the bucket's owner account.",
    "See https://example.com/what-it-is-of-no-use and [a page](so-many.html).",
]


@pytest.mark.parametrize("text", CAUGHT)
def test_a_replaced_phrase_is_found_in_prose(text):
    assert [each.replacement for each in wording.check(text, ".md")]


def test_every_rule_catches_an_example():
    found = {each.replacement for text in CAUGHT for each in wording.check(text, ".md")}
    assert found == {rule.replacement for rule in wording.RULES}


@pytest.mark.parametrize("text", PASSING)
def test_similar_english_is_not_reported(text):
    assert wording.check(text, ".md") == []


def test_comments_strings_and_docstrings_of_python_are_read_but_not_its_names():
    code = (
        'noted = anew("told", "is told")  # goes on\ndef looked_at():\n    """Mend it."""\n    return f"{noted} anew"\n'
    )
    assert [(line, words) for line, words, _ in wording.check(code, ".py")] == [
        (1, "goes on"),
        (1, "told"),
        (3, "Mend"),
        (4, "anew"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        'x = (\n    "a client is led "\n    "to AWS"\n)\n',
        "x = 1\n# a client is led\n# to AWS\n",
        '"""A: led\nto AWS."""\n',
    ],
)
def test_a_phrase_is_found_across_lines(code):
    assert [each.words for each in wording.check(code, ".py")] == ["led to"]


@pytest.mark.parametrize("word", ["What a run creates", "how many", "Whether it is", "Where it is", "When a run ends"])
def test_a_docstring_heading_or_cell_that_begins_with_a_question_word_is_found(word):
    docstrings = f'"""{word}."""\nx = 1\n"""{word}."""\n\ndef f():\n    """\n    {word}."""\n'
    assert [each.line for each in wording.check(docstrings, ".py")] == [1, 3, 6]
    assert [each.line for each in wording.check(f"## {word}\n\n| a | {word} |\n", ".md")] == [1, 3]


def test_a_question_word_elsewhere_is_not_reported():
    assert (
        wording.check('print("What is this?")  # How it is done\nf("""Where""")\n"""The whole what."""\n', ".py") == []
    )
    assert wording.check("What it is, `| what |`.\n\n```\n# How it is done\n```\n\n| a | Whatever |\n", ".md") == []


def test_tags_and_expressions_of_a_template_are_not_read():
    template = "<figure class='odd'>{{ figure.told }}{% if noted %}</figure><p>This figure</p>"
    assert [each.words for each in wording.check(template, ".j2")] == ["figure"]


def test_an_allowed_line_is_not_reported_and_the_next_one_is():
    assert wording.check("x is odd <!-- wording: allow -->\ny is odd\n", ".md")[0].line == 2
    code = 'a = "a told b"  # wording: allow\nb = """so\nit is told"""  # wording: allow\nc = "is told"\n'
    assert [each.line for each in wording.check(code, ".py")] == [4]


def test_the_report_has_place_words_and_replacement(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("fine\nin vain\n", encoding="utf-8")
    assert wording.main([str(page)]) == 1
    assert re.search(r"page\.md:2: “in vain”: timed out, failed\n", capsys.readouterr().out)
    page.write_text("fine\n", encoding="utf-8")
    assert wording.main([str(page)]) == 0
