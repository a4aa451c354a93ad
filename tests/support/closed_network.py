"""A network that has loopback only, and a count of what wanted to leave it. Linux.

``python closed_network.py COMMAND …``, started by :func:`command` in new namespaces. A name server without a
route replaces those of the machine, so that looking a name up counts too.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
NAME_SERVER = "192.0.2.1"  # of TEST-NET-1, which nothing has: RFC 5737
FILES = {
    "/etc/resolv.conf": f"nameserver {NAME_SERVER}\noptions attempts:1\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}


def unavailable():
    """Return the reason why there can be no such network here, or ''."""
    if not shutil.which("unshare"):
        return "namespaces need Linux, and unshare(1) of util-linux"
    tried = subprocess.run(_unshare(sys.executable, "-c", ""), capture_output=True, text=True, check=False)
    return f"namespaces are not permitted here: {tried.stderr.strip()}" if tried.returncode else ""


def command(*arguments):
    """Return the command that runs another one in a closed network."""
    return _unshare(sys.executable, __file__, *map(str, arguments))


def _unshare(*arguments):
    return ["unshare", "--user", "--map-root-user", "--net", "--mount", *arguments]


def attempts():
    """Return the number of packets and connections so far that had no route out of this network.

    The kernel counts them: https://docs.kernel.org/networking/snmp_counter.html (OutNoRoutes, of IPv4 and IPv6).
    """
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:"))
    ipv6 = Path("/proc/net/snmp6")
    lines = ipv6.read_text().splitlines() if ipv6.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("Ip6OutNoRoutes")]
    return int(values[names.index("OutNoRoutes")]) + sum(map(int, found))


def _close():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    for path, text in FILES.items():
        if Path(path).exists():
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(text)
                file.flush()
                subprocess.run(["mount", "--bind", file.name, path], check=True)


if __name__ == "__main__":
    _close()
    os.execvp(sys.argv[1], sys.argv[1:])
