"""The process that keeps an environment for the sessions of one directory: a local AWS and a warm JVM.

``harness up`` starts it (``python -m harness.keeper``). :mod:`~harness.keeper.service` answers sessions,
:mod:`~harness.keeper.warm_jvm` has the JVM, and :mod:`~harness.keeper.outputs` passes on what the JVM writes.
"""
