"""Options of the recording: its file and its length."""

from pathlib import Path


def pytest_addoption(parser):
    group = parser.getgroup("aa", "recording of rounds that differ in nothing, or in a known slowdown")
    group.addoption("--aa-file", type=Path, default=Path("aa.jsonl"), help="JSON lines, continued where it ended")
    group.addoption("--aa-comparisons", type=int, default=300, help="comparisons to record (default: 300)")
    group.addoption("--aa-pairs", type=int, default=30, help="rounds of each side in a comparison (default: 30)")
    group.addoption("--aa-rows", type=int, default=200, help="rows that a round transforms (default: 200)")
