"""Failures of routes and of names, made in a network and mount namespace of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.connect.namespace import run_in_namespace

#: Connects once and prints what came of it as JSON; the test's program sets `address`.
TELL = """
import asyncio, json, socket, sys, threading, time
import tether

async def tell(address, timeout, **settings):
    began = time.monotonic()
    try:
        stream = await tether.connect(address, timeout=timeout, **settings)
    except tether.NetworkError as error:
        said = {
            "class": type(error).__name__,
            "errno": error.errno,
            "phase": error.phase,
            "address": error.address,
            "peer": error.peer,
            "token": error.token,
            "text": str(error),
            "attempts": [[one.address, type(one.error).__name__] for one in error.attempts],
        }
    else:
        said = {"class": "connected", "peer": stream.peer}
        stream.close()
    said["took"] = time.monotonic() - began
    print(json.dumps(said))

def name_server(answer):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.53", 53))
    def serve():
        while True:
            query, client = server.recvfrom(4096)
            if answer is not None:
                # Same id and question, "response" set, no records, and this code.
                question = query[12 : query.index(0, 12) + 5]
                counts = bytes([0, 1, 0, 0, 0, 0, 0, 0])
                server.sendto(query[:2] + bytes([0x81, 0x80 | answer]) + counts + question, client)
    threading.Thread(target=serve, daemon=True).start()
"""


def told(program: str, folder: Path, **namespace: str) -> Any:
    return json.loads(run_in_namespace(TELL + program, folder, **namespace))


@pytest.mark.parametrize(
    ("setup", "number"),
    [
        ("", 101),
        ("ip route add unreachable 192.0.2.1", 113),
        ("ip route add prohibit 192.0.2.1", 13),
        ("ip route add blackhole 192.0.2.1", 22),
    ],
    ids=["no route", "unreachable", "prohibit", "blackhole"],
)
def test_unreachable(setup: str, number: int, tmp_path: Path) -> None:
    said = told('tether.run(tell("192.0.2.1:80", 10))\n', tmp_path, setup=setup)
    assert said["class"] == "Unreachable"
    assert said["errno"] == number
    assert said["phase"] == "connect"
    assert said["address"] == "192.0.2.1"
    assert said["peer"] == "192.0.2.1:80"
    assert said["token"] == "destination_ip_unroutable"
    assert said["took"] < 1


def test_a_neighbour_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    setup = """
        ip link add veth0 type veth peer name veth1
        ip addr add 192.0.2.9/24 dev veth0
        ip link set veth0 up
        ip link set veth1 up
        sysctl -q -w net.ipv4.neigh.veth0.mcast_solicit=1 net.ipv4.neigh.veth0.retrans_time_ms=300
    """
    said = told('tether.run(tell("192.0.2.1:80", 10))\n', tmp_path, setup=setup)
    assert (said["class"], said["errno"]) == ("Unreachable", 113)
    assert said["took"] < 5


RESOLV = "nameserver 127.0.0.53\noptions timeout:30 attempts:1\n"
FEW_HOSTS = "127.0.0.1 localhost\n"


def test_a_silent_name_server_times_out_in_time_and_holds_nothing_back(tmp_path: Path) -> None:
    program = """
name_server(None)
began = time.monotonic()
tether.run(tell("somewhere.test:80", 1.0))
assert time.monotonic() - began < 2, "the loop was held back"
"""
    said = told(program, tmp_path, hosts=FEW_HOSTS, resolv=RESOLV)
    assert said["class"] == "ResolveTimeout"
    assert said["phase"] == "resolve"
    assert said["peer"] == "somewhere.test:80"
    assert said["token"] == "dns_timeout"
    assert 1.0 <= said["took"] < 2.0


def test_a_process_with_a_silent_name_server_exits_at_once(tmp_path: Path) -> None:
    program = """
import subprocess
inner = '''
import tether
async def main():
    try:
        await tether.connect("somewhere.test:80", timeout=0.2)
    except tether.ResolveTimeout:
        print("timed out")
tether.run(main())
'''
name_server(None)
began = time.monotonic()
done = subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True, timeout=20)
took = time.monotonic() - began
print(json.dumps({"said": done.stdout + done.stderr, "took": took}))
"""
    said = told(program, tmp_path, hosts=FEW_HOSTS, resolv=RESOLV)
    assert said["said"] == "timed out\n"
    assert said["took"] < 5  # the resolver itself would go on for 30 s


@pytest.mark.parametrize(
    ("answer", "number"),
    [("3", -2), ("0", -5), ("2", -3), ("5", -3)],
    ids=["no such name", "no address", "server failure", "refused"],
)
def test_a_name_server_that_says_no(answer: str, number: int, tmp_path: Path) -> None:
    program = f'name_server({answer})\ntether.run(tell("somewhere.test:80", 10.0))\n'
    said = told(program, tmp_path, hosts=FEW_HOSTS, resolv=RESOLV)
    assert said["class"] == "ResolveError"
    assert said["phase"] == "resolve"
    assert said["errno"] == number
    assert said["token"] == "dns_error"
    assert said["took"] < 5
    assert "somewhere.test:80" in said["text"]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ("3", "ResolveError", "no such name (name server 127.0.0.53:53 answered NXDOMAIN)"),
        (
            "2",
            "ResolveError",
            "the name server failed (name server 127.0.0.53:53 answered SERVFAIL)",
        ),
        ("None", "ResolveTimeout", "name server 127.0.0.53:53 did not answer"),
    ],
    ids=["no such name", "server failure", "silent"],
)
def test_name_servers_of_the_machine_asked_without_a_thread(
    answer: str, kind: str, said: str, tmp_path: Path
) -> None:
    # The system's resolver merges the last two: see above.
    program = f"""
name_server({answer})
tether.run(tell("somewhere.test:80", 0.3, resolver=tether.DNSResolver()))
assert not [one for one in threading.enumerate() if one.name.startswith("tether")]
"""
    what = told(program, tmp_path, hosts=FEW_HOSTS, resolv=RESOLV)
    assert (what["class"], what["phase"]) == (kind, "resolve")
    assert said in what["text"]
    assert what["took"] < 1.3


def test_nobody_serves_names(tmp_path: Path) -> None:
    said = told(
        'tether.run(tell("somewhere.test:80", 10.0))\n', tmp_path, hosts=FEW_HOSTS, resolv=RESOLV
    )
    assert (said["class"], said["errno"]) == ("ResolveError", -3)


BOTH = FEW_HOSTS + "127.0.0.2 both.test\n127.0.0.3 both.test\n"
# The system's resolver chooses the order, so the program asks it which address comes first.
IN_ORDER = """
addresses = [entry[4][0] for entry in socket.getaddrinfo("both.test", 1, type=socket.SOCK_STREAM)]
assert len(addresses) == 2, addresses
def listen(address):
    listening = socket.create_server((address, 0))
    return listening, listening.getsockname()[1]
"""


@pytest.mark.parametrize("live", [0, 1])
def test_of_a_dead_and_a_live_address_the_live_one_is_connected(live: int, tmp_path: Path) -> None:
    program = (
        IN_ORDER
        + f"""
listening, port = listen(addresses[{live}])
tether.run(tell(f"both.test:{{port}}", 10.0))
listening.close()
"""
    )
    said = told(program, tmp_path, hosts=BOTH)
    assert said["class"] == "connected"
    assert said["took"] < 1


def test_the_connected_stream_says_which_attempts_failed(tmp_path: Path) -> None:
    program = (
        IN_ORDER
        + """
listening, port = listen(addresses[1])
async def main():
    stream = await tether.connect(f"both.test:{port}")
    print(json.dumps([[one.address, type(one.error).__name__] for one in stream.attempts]
                     + [addresses[0]]))
    stream.close()
with listening:
    tether.run(main())
"""
    )
    *attempts, dead = told(program, tmp_path, hosts=BOTH)
    assert attempts[0] == [dead, "ConnectionRefused"]


def test_a_silent_address_is_passed_over_after_a_quarter_of_a_second(tmp_path: Path) -> None:
    program = (
        IN_ORDER
        + """
hole = socket.socket()
hole.bind((addresses[0], 0))
hole.listen(0)
port = hole.getsockname()[1]
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False)
    filler.connect_ex((addresses[0], port))
listening = socket.create_server((addresses[1], port))
tether.run(tell(f"both.test:{port}", 10.0))
for one in (hole, listening, *fillers):
    one.close()
"""
    )
    said = told(program, tmp_path, hosts=BOTH)
    assert said["class"] == "connected"
    assert 0.25 <= said["took"] < 1.25


def test_two_dead_addresses_are_both_told(tmp_path: Path) -> None:
    program = (
        IN_ORDER
        + """
with socket.socket() as reserved:
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
tether.run(tell(f"both.test:{port}", 10.0))
"""
    )
    said = told(program, tmp_path, hosts=BOTH)
    assert said["class"] == "ConnectionRefused"
    assert said["errno"] == 111
    assert sorted(said["attempts"]) == [
        ["127.0.0.2", "ConnectionRefused"],
        ["127.0.0.3", "ConnectionRefused"],
    ]
    assert said["address"] == said["attempts"][-1][0]
    assert "attempt 2 of 2" in said["text"]
    assert said["took"] < 1


def test_both_families_of_a_name_are_tried(tmp_path: Path) -> None:
    program = """
listening = socket.create_server(("127.0.0.1", 0))
tether.run(tell(f"twofold.test:{listening.getsockname()[1]}", 10.0))
listening.close()
"""
    hosts = FEW_HOSTS + "::1 twofold.test\n127.0.0.1 twofold.test\n"
    said = told(program, tmp_path, hosts=hosts)
    assert said["class"] == "connected"
    assert said["peer"].startswith("127.0.0.1:")


def test_one_deadline_covers_the_name_and_the_connection(tmp_path: Path) -> None:
    program = """
def slowly():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.53", 53))
    def serve():
        while True:
            query, client = server.recvfrom(4096)
            time.sleep(0.3)
            # An A record of 127.0.0.2 for the question about IPv4, none for the other.
            is_v4 = query[-4:-2] == bytes.fromhex("0001")
            head = bytes.fromhex("8180 0001" + ("0001" if is_v4 else "0000") + "0000 0000")
            record = bytes.fromhex("c00c 0001 0001 0000003c 0004 7f000002") if is_v4 else b""
            server.sendto(query[:2] + head + query[12:] + record, client)
    threading.Thread(target=serve, daemon=True).start()
slowly()
hole = socket.socket()
hole.bind(("127.0.0.2", 0))
hole.listen(0)
port = hole.getsockname()[1]
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False)
    filler.connect_ex(("127.0.0.2", port))
tether.run(tell(f"slow.test:{port}", 1.0))
for one in (hole, *fillers):
    one.close()
"""
    said = told(program, tmp_path, hosts=FEW_HOSTS, resolv=RESOLV)
    assert (said["class"], said["phase"]) == ("ConnectTimeout", "connect")
    assert said["address"] == "127.0.0.2"
    assert 1.0 <= said["took"] < 1.3 + 1
