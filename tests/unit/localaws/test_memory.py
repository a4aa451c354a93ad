"""The local AWS returns free memory to the machine."""

import os
import platform
import subprocess
import sys

import pytest

from harness.localaws.memory import frugal_environment

NAME = "GLIBC_TUNABLES"

IN_USE = """
import ctypes, threading
class Information(ctypes.Structure):  # struct mallinfo2 of malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Information
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
used, let_go = threading.Semaphore(0), threading.Event()
def work():
    for pointer in [library.malloc(1000) for _ in range(7)]:
        library.free(pointer)
    used.release()
    let_go.wait()
threads = [threading.Thread(target=work) for _ in range(50)]
for thread in threads:
    thread.start()
for _ in threads:
    used.acquire()
print(library.mallinfo2().uordblks)
let_go.set()
"""
"""Prints the bytes in use after fifty threads, which still run, have freed 350 kB."""


def in_use(environment):
    return int(subprocess.run([sys.executable, "-c", IN_USE], env=environment, capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these caches")
def test_threads_keep_no_memory_that_they_freed():
    assert in_use(frugal_environment(os.environ)) < in_use(os.environ) - 300_000


def test_other_tunables_of_the_user_stay():
    assert frugal_environment({NAME: "glibc.malloc.check=1"}) == {
        NAME: "glibc.malloc.check=1:glibc.malloc.tcache_count=0"
    }
    assert frugal_environment({"A": "b"}) == {"A": "b", NAME: "glibc.malloc.tcache_count=0"}
