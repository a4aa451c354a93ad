"""The timeline of a run: stages follow each other, and spans that overlap are in separate lines."""

import json

from harness.console import PlainConsole
from harness.pipeline.timeline import Span, StageTimes, write


def test_parts_that_end_together_follow_each_other():
    times = StageTimes(PlainConsole())
    for stage, seconds in {"read": 1.0, "upload": 2.0, "train": 3.0}.items():
        times.end(stage, seconds)
    python, read, upload, train = times.spans()
    assert [span.name for span in (python, read, upload, train)] == ["Python", "read", "upload", "train"]
    assert read.ended <= upload.began < upload.ended == train.began
    assert round(train.ended - train.began, 6) == 3.0


def test_a_run_without_stages_has_an_empty_timeline(tmp_path):
    assert StageTimes(PlainConsole()).spans() == []
    write(tmp_path / "t.json", [])
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"] == []


def test_spans_of_a_row_that_overlap_are_in_separate_lines(tmp_path):
    calls = [Span("calls", "a", 10.0, 12.0), Span("calls", "b", 11.0, 13.0), Span("calls", "c", 12.5, 14.0)]
    write(tmp_path / "t.json", calls)
    shown = [event for event in json.loads((tmp_path / "t.json").read_text())["traceEvents"] if event["ph"] == "X"]
    assert [(event["name"], event["tid"]) for event in shown] == [("a", 0), ("b", 1), ("c", 0)]
    assert [(event["ts"], event["dur"]) for event in shown] == [(0, 2e6), (1e6, 2e6), (2.5e6, 1.5e6)]


def test_rows_are_in_the_order_of_a_run_and_have_their_names(tmp_path):
    rows = ["calls of s3", "training job", "stages", "Spark jobs", "Java"]
    write(tmp_path / "t.json", [Span(row, "x", 1.0, 2.0) for row in rows])
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert names == ["stages", "Java", "Spark jobs", "training job", "calls of s3"]
