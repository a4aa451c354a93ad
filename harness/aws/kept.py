"""The local AWS of a kept environment as an :class:`harness.aws.AWS`, and the choice between it and a new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil

from harness.aws.local import MockAWS, model_cache
from harness.kept.lease import Lease, NotKeptError, borrow
from harness.kept.likeness import likeness
from harness.kept.place import is_private, place
from harness.localaws.client import Connection
from harness.settings import Settings


class KeptAWS(MockAWS):
    """A local AWS that ``harness up`` keeps, clean at the begin of each lease."""

    lease: Lease

    def __init__(self, lease: Lease) -> None:
        super().__init__(Connection.from_json(lease.aws))
        self.lease = lease
        self.connection.write_profiles(os.environ)

    @property
    def running(self) -> bool:
        """True if the process runs."""
        return bool(psutil.pid_exists(self.connection.pid))

    def last_output(self) -> str:
        """See :meth:`MockAWS.last_output`."""
        return self.lease.last_output()

    def close(self) -> None:
        """Give the environment back. Its keeper deletes all that is in the local AWS."""
        self.lease.release()


def kept_or_started(settings: Settings, meanwhile: Callable[[], object] | None = None) -> MockAWS:
    """Return the local AWS of the environment that is kept for this directory, or a new one.

    :param meanwhile: called while a new one starts.

    It is a new one if the settings say so, if none is kept, or if it cannot be used; a note then says why.
    """
    notes = []
    if settings.uses_kept and is_private(place(Path.cwd())):
        try:
            kept = KeptAWS(borrow(Path.cwd(), likeness(settings)))
        except NotKeptError as error:
            notes = [f"The kept environment is not used: {error.what}"]
        else:
            kept.use_model_cache(model_cache(settings))
            return kept
    started = MockAWS.start(settings, caches_models=True, meanwhile=meanwhile)
    started.notes += notes
    return started
