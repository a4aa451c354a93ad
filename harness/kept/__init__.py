"""The kept environment, as the sessions that use it see it: a local AWS and a warm JVM that ``harness up`` keeps.

:mod:`~harness.kept.place` finds it, :mod:`~harness.kept.likeness` says whether it fits, and :mod:`~harness.kept.lease`
borrows it for one session at a time. The process that keeps it is :mod:`harness.keeper`.
"""
