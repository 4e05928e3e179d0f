"""A network of IPv6 counts as one address: clients in a network namespace of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tether

#: In a namespace, where addresses can be given at will; prints who was let in.
PROGRAM = """
import asyncio, socket, subprocess
import tether

def ip(*words):
    subprocess.run(["ip", *words], check=True)

OWN = ["2001:db8:1:1::1", "2001:db8:1:1:ffff::2", "2001:db8:1:2::1", "fe80::1", "fe80::2",
       "10.9.0.1", "10.9.0.2"]

async def main():
    ip("link", "set", "lo", "up")
    for own in OWN:
        words = ["addr", "add", own + ("/24" if "." in own else "/64"), "dev", "lo"]
        ip(*words, *([] if "." in own else ["nodad"]))
    arrived = asyncio.Queue()
    async with tether.listen(":0", arrived.put_nowait, max_per_address=1) as listener:
        port = int(listener.address.rpartition(":")[2])
        for own in OWN:
            scope = socket.if_nametoindex("lo") if own.startswith("fe80") else 0
            where = (own, port) if "." in own else (own, port, 0, scope)
            client = socket.socket(socket.AF_INET if "." in own else socket.AF_INET6)
            client.settimeout(5)
            client.bind((own, 0) if "." in own else (own, 0, 0, scope))
            client.connect(where)
            refused = listener.refused_count
            accepted = listener.accepted_count
            while (listener.refused_count, listener.accepted_count) == (refused, accepted):
                await asyncio.sleep(0.001)
            print(own, "refused" if listener.refused_count > refused else "accepted")

tether.run(main())
"""


def test_a_64_is_one_address_and_link_local_addresses_are_not() -> None:
    command = ["unshare", "--net", "--map-root-user"] if os.geteuid() else ["unshare", "--net"]
    possible = subprocess.run(
        [*command, "ip", "link", "set", "lo", "up"], capture_output=True, check=False
    )
    if possible.returncode:
        pytest.skip("no network namespace can be made here")
    done = subprocess.run(
        [*command, sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(tether.__file__).parents[1])},
    )
    assert done.stdout.splitlines() == [
        "2001:db8:1:1::1 accepted",
        "2001:db8:1:1:ffff::2 refused",
        "2001:db8:1:2::1 accepted",
        "fe80::1 accepted",
        "fe80::2 accepted",
        "10.9.0.1 accepted",
        "10.9.0.2 accepted",
    ], done.stderr
