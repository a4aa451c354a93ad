"""Calls of operations: their parameters and their callers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import regions

HOLD_SECONDS = 40.0
"""Longest time that a Describe call of the Spark SDK waits for the end of what it describes. The SDK sleeps five
seconds between two calls and gives a call up after fifty. Held calls spare it the sleep."""


@dataclass(frozen=True)
class Call:
    """One call of an operation."""

    parameters: dict[str, Any]
    region: str
    account: str
    may_wait: bool = False
    """True if the answer of a Describe call may wait up to :data:`HOLD_SECONDS`."""
    stuck: float = 0.0
    """Seconds that a new endpoint stays in ``Creating`` before anything is done."""

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource in the caller's account and region."""
        return f"arn:{regions.partition(self.region)}:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"


Operation = Callable[[Call], dict[str, Any]]
"""Carries out a call and returns its answer, or raises AWSError as AWS would answer."""
