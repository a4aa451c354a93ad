"""Replay of the fuzzing corpus; see ``tests/fuzz`` for finding more inputs."""

import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
CORPUS = sorted(path for path in (FUZZ / "corpus").iterdir())


@pytest.fixture(scope="module")
def check():
    sys.path.insert(0, str(FUZZ))
    try:
        import fuzz_libsvm

        yield fuzz_libsvm.check
    finally:
        sys.path.remove(str(FUZZ))


def test_there_is_a_corpus():
    assert len(CORPUS) > 50


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_fuzzed_text_is_read_by_the_grammar(check, path):
    text = path.read_bytes()
    for padding in range(5):  # the length selects the options for reading
        check(text + b"\n" * min(padding, 1) + b"1\n" * max(padding - 1, 0))
