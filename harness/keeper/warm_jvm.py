"""The JVM of a kept environment: started, used once so that the next use is fast, and made clean after each session.

A program cannot reset a JVM. After a session that ended in order, what Spark, Hadoop, the SDK and a test can change in
it is put back. After any other, the environment is started again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import SparkSession

from harness.aws.cleanup.reaper import open_ledger
from harness.aws.local import MockAWS
from harness.console import Progress
from harness.keeper.outputs import Outputs
from harness.kept.lease import Gateway
from harness.pipeline.fit import fit
from harness.settings import Settings
from harness.spark import internals
from harness.spark.data import read_mnist
from harness.spark.jvm import end_jvm
from harness.spark.sdk import clean_up, estimator
from harness.spark.session import build_session, stop_session

_ROWS = 500
"""Rows of MNIST that are trained on and predicted to warm the JVM."""
_MOST_HEAP = 0.5
"""Fraction of the heap above which what sessions left in it makes a new JVM the better one."""


class WarmJVM:
    """A JVM whose classes are loaded and compiled."""

    def __init__(self, aws: MockAWS, settings: Settings, progress: Progress) -> None:
        """Start a JVM, and use it.

        :raises HarnessError: it does not start, or cannot train, host and predict.
        """
        self._outputs = Outputs()
        with progress.timed("Spark", {}):
            out, err = self._outputs.writers
            session = build_session(aws, settings, streams={"stdout": out, "stderr": err}, measured=True)
        process = internals.jvm_process()
        assert process is not None
        self._process = process
        self.gateway = Gateway(*internals.gateway_address())
        """The address of its gateway."""
        self._state = internals.JVMState()
        try:
            with progress.timed("first use", {}):
                _use(aws, settings, session)
        finally:
            stop_session(session)
        self.reset()

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def write_to(self, descriptors: Sequence[int]) -> None:
        """Pass on what it writes to these two descriptors from now on, or nowhere."""
        self._outputs.send_to(descriptors)

    def reset(self) -> bool:
        """Stop what runs in it, and put back what a session may have changed; return whether it is as good as new."""
        return self._state.restore() < _MOST_HEAP

    def end(self) -> None:
        """End it, whatever it is doing. A second call does nothing."""
        end_jvm()
        self._outputs.close()


def _use(aws: MockAWS, settings: Settings, spark: SparkSession) -> None:
    """Train, host and predict with a few rows, and delete what that made."""
    few = replace(settings, train_rows=_ROWS, test_rows=_ROWS)
    with open_ledger(aws, few) as ledger:
        model = fit(aws, ledger, estimator(aws, few, ledger.names(few)), read_mnist(spark, aws, "train", _ROWS))
        model.transform(read_mnist(spark, aws, "test", _ROWS)).collect()
        clean_up(model, ledger)
