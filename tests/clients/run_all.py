"""Run every client of this folder, one after the other, and print their ends as JSON: exit code, output, attempts to
leave the network of :mod:`tests.support.closed_network`. It runs in a session: ``harness exec -- python run_all.py``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3

from tests.support.closed_network import attempts

HERE = Path(__file__).parent
SECONDS = 120


def end_of(program):
    """Return the end of a client."""
    before = attempts()
    # Amazon's SDKs repeat a failed call, by default for seconds.
    environment = os.environ | {"AWS_MAX_ATTEMPTS": "1", "PYTHONSAFEPATH": "1"}
    interpreter = "sh" if program.suffix == ".sh" else sys.argv[1]
    done = subprocess.run(
        [interpreter, str(program)], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return {"code": done.returncode, "output": done.stdout + done.stderr, "attempts": attempts() - before}


if __name__ == "__main__":
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="clients")
    s3.put_object(Bucket="clients", Key="rows.csv", Body=b"a,b\n1,2\n")
    ends = {path.stem.removesuffix("_client"): end_of(path) for path in sorted(HERE.glob("*_client.*"))}
    print(json.dumps({"clients": ends, "session": attempts() - sum(end["attempts"] for end in ends.values())}))
