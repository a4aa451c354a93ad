"""The calibration counts correctly how comparisons judge rounds with and without a known difference."""

import gzip
import json

import numpy as np
import pytest

from benchmarks.aa import calibration

ABOUT = {"work": "transform", "rows": 100, "pairs": 20, "cores": 2, "commit": "abc", "slowdown": 0.1}


@pytest.fixture
def record(tmp_path):
    """Write a recording with a number of blocks and a level of noise; return its path."""

    def record(blocks, noise):
        random = np.random.default_rng(4)
        lines = [ABOUT]
        for _ in range(blocks):
            a, b, s = np.array([0.1, 0.1, 0.11]) * np.exp(random.normal(0, noise, 3))
            lines.append({"S": s, "A": a, "B": b, "load": 0.5, "at": "2026-11-22T10:00:00+00:00"})
        path = tmp_path / "aa.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return record


def rates(path):
    about, blocks = calibration.read_recording(path)
    return {rate.way: rate for rate in calibration.rates(list(calibration.cut(blocks, about["pairs"])))}


@pytest.mark.slow
def test_on_a_quiet_machine_every_method_finds_the_slowdown(record):
    found = rates(record(5 * 20 + 7, noise=0.005))
    assert len(found) == 8
    turns = found["harness compare, alternating"]
    assert (turns.false_alarms, turns.found, turns.comparisons) == (0, 5, 5)
    assert found["harness compare, one after the other"].comparisons == 4
    assert found["mean:5%, alternating"].found == 5


@pytest.mark.slow
def test_on_a_noisy_machine_fixed_thresholds_alarm_and_compare_does_not(record):
    found = rates(record(20 * 20, noise=0.4))
    assert found["mean:5%, alternating"].false_alarms >= 3
    assert found["harness compare, alternating"].false_alarms == 0


@pytest.mark.slow
def test_the_table_has_intervals_of_its_rates(record, capsys):
    assert calibration.main([str(record(100, noise=0.005))]) == 0
    out = capsys.readouterr().out
    assert "5 comparisons of 20 pairs; median round 100 ms" in out
    assert "| harness compare, alternating | 0 of 5: 0.0 % (0.0 to 52.2) | 5 of 5: 100.0 % (47.8 to 100.0) |" in out


def test_a_recording_may_be_compressed(record):
    path = record(100, noise=0.005)
    compressed = path.with_suffix(".jsonl.gz")
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    assert calibration.read_recording(compressed) == calibration.read_recording(path)


@pytest.mark.slow
def test_the_same_rounds_make_more_comparisons_of_fewer_pairs(record, capsys):
    assert calibration.main([str(record(100, noise=0.005)), "--pairs", "10"]) == 0
    assert "10 comparisons of 10 pairs" in capsys.readouterr().out


def test_a_run_of_several_rounds_counts_by_their_median(record, capsys):
    path = record(100, noise=0.005)
    _, blocks = calibration.read_recording(path)
    _, runs = calibration.read_recording(path, pairs=10, rounds=5)
    assert len(runs) == 20
    assert runs[1]["S"] == np.median([block["S"] for block in blocks[5:10]])
    assert calibration.main([str(path), "--pairs=10", "--rounds=5"]) == 0
    assert "2 comparisons of 10 pairs of medians of 5 rounds" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "told"), [("", "no recording"), ("{}\n", "no recording"), ("x", "no recording")])
def test_a_file_that_is_not_a_recording_is_reported(tmp_path, capsys, text, told):
    path = tmp_path / "aa.jsonl"
    path.write_text(text)
    assert calibration.main([str(path)]) == 4
    assert told in capsys.readouterr().err


def test_a_recording_without_a_complete_comparison_is_reported(record, capsys):
    assert calibration.main([str(record(19, noise=0.1))]) == 4
    assert "no complete comparison" in capsys.readouterr().err
