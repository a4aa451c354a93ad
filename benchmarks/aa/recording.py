"""Record the data for calibrating ``harness compare``: alternating measurements of ``model.transform``.

A block is three rounds in an order drawn at random: A and B do the same, S does 10 % more (it keeps the core busy for a
tenth of the time that its transform took). ``python -m benchmarks.aa.calibration FILE`` reports what comparisons
make of them. It takes the better part of an hour and is not collected with the benchmarks: run it by name,

    pytest benchmarks/aa/recording.py --harness-train-rows=2000 --harness-test-rows=1000 --aa-file=aa.jsonl
"""

import json
import os
import random
import time
from datetime import datetime, timezone

from harness.bench.results.provenance import environment

SLOWDOWN = 0.1
WARM_UP = 50


def consume(model, rows):
    """Transform every row and discard the result inside Spark."""
    model.transform(rows).write.format("noop").mode("overwrite").save()


def timed(work, slowdown=0.0):
    """Return the duration of some work plus a share of extra busy work."""
    began = time.perf_counter()
    work()
    end = time.perf_counter()
    end += slowdown * (end - began)
    while time.perf_counter() < end:
        pass
    return time.perf_counter() - began


def block(work):
    """Return the seconds of the three rounds by name, in the order of the runs, and the conditions at the time."""
    seconds = {
        side: round(timed(work, SLOWDOWN if side == "S" else 0.0), 6) for side in random.SystemRandom().sample("ABS", 3)
    }
    return {**seconds, "load": round(os.getloadavg()[0], 2), "at": datetime.now(timezone.utc).isoformat("T", "seconds")}


def recorded(path):
    """Return the number of lines of a file, after making sure that the last one is complete."""
    if not path.exists():
        return 0
    lines = path.read_text().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    path.write_text("".join(whole))
    return len(whole)


def test_record(trained_model, mnist_test, harness_settings, pytestconfig):
    path, pairs, count = (pytestconfig.getoption(f"aa_{name}") for name in ("file", "pairs", "rows"))
    comparisons = pytestconfig.getoption("aa_comparisons")
    rows = mnist_test.limit(count).coalesce(1).cache()
    assert rows.count() == count
    lines = recorded(path)
    with path.open("a") as file:
        if not lines:
            noted = {"work": "transform", "rows": count, "pairs": pairs, **environment(harness_settings).as_json()}
            file.write(json.dumps(noted | {"slowdown": SLOWDOWN}) + "\n")
        for _ in range(WARM_UP):
            consume(trained_model, rows)
        for _ in range(max(lines - 1, 0), comparisons * pairs):
            file.write(json.dumps(block(lambda: consume(trained_model, rows))) + "\n")
            file.flush()
