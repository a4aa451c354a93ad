"""Spark sessions that tests share, although code under test may stop them.

A program ends with ``spark.stop()``, so a test of it stops the session of all tests. The JVM and the SDK's objects in
it remain, and so does the endpoint of a model.
"""

from __future__ import annotations

from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession

from harness.aws import AWS
from harness.errors import SetupError
from harness.settings import Settings
from harness.spark import internals
from harness.spark.jvm import named_if_lost
from harness.spark.session import build_session


class SharedSession:
    """A session of a user's fixture, which only the user can start again."""

    def __init__(self) -> None:
        self._stopped_by = ""

    def frame(self, read: Callable[[], DataFrame]) -> DataFrame:
        """Return a frame that was read with the session."""
        return read()

    def note(self, test: str) -> None:
        """Remember a test that has just ended, if it is the one that stopped the session."""
        if self._stopped_by:
            return
        try:
            stopped = self._is_stopped()
        except (Py4JError, OSError):  # the JVM has ended, which the next test reports
            return
        if stopped:
            self._stopped_by = test

    def ensure_running(self) -> str:
        """Start the session again if it was stopped, and return a sentence on that, or ''.

        :raises SetupError: it cannot be started, or its JVM has ended.
        """
        with named_if_lost():
            if not self._is_stopped():
                return ""
        by, self._stopped_by = self._stopped_by or "code under test", ""
        return self._start_again(by)

    def _is_stopped(self) -> bool:
        return internals.has_jvm() and internals.running_context() is None

    def _start_again(self, by: str) -> str:
        raise SetupError(
            f"The SparkSession of your fixture was stopped, by {by}.",
            checked="the Spark context of this process",
            fix="have code under test not stop a session that it did not start, or remove your fixture: the fixture "
            "'spark' of the harness is started again",
        )


class RestartedSession(SharedSession):
    """The session of the fixture ``spark``. The same object is usable again after it was stopped."""

    def __init__(self, session: SparkSession, aws: AWS, settings: Settings) -> None:
        super().__init__()
        self._session = session
        self._aws = aws
        self._settings = settings
        self._frames: list[tuple[DataFrame, Callable[[], DataFrame]]] = []

    def frame(self, read: Callable[[], DataFrame]) -> DataFrame:
        """Return a frame, which is read again when the session is started again."""
        frame = read()
        self._frames.append((frame, read))
        return frame

    def _is_stopped(self) -> bool:
        return internals.is_stopped(self._session)

    def _start_again(self, by: str) -> str:
        internals.restart(self._session, build_session(self._aws, self._settings))
        for frame, read in self._frames:
            internals.replace_frame(frame, read())
        return (
            f"The session of the fixture 'spark' was stopped, by {by}. It was started again. Frames made with it "
            "before, other than those of the harness's fixtures, cannot be used."
        )
