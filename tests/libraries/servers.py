"""Real servers: Redis, Mosquitto and PostgreSQL as Debian packages them.

Knows how each is started, how it is asked whether it answers, and how it ends; no loop, no library.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import psutil
import pytest

from tests.plain_sockets import receive_exactly

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds after which a test gives up on a server."""
NOBODY = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
"""Who runs the servers: PostgreSQL refuses to be root, and so nobody else is either."""


def find_program(name: str, package: str) -> str:
    """Where a program is; the test skips where its package is not installed."""
    # Debian keeps what administrators start in sbin, and PostgreSQL's by version.
    places = ["/usr/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]  # noqa: PTH207
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
    if found is None:
        pytest.skip(f"no {name} on this machine (Debian: apt install {package})")
    return found


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listening:
        return int(listening.getsockname()[1])


class Server(ABC):
    """A server on a free port of 127.0.0.1, with a folder of its own.

    Args:
        certificate: the file with its certificate for TLS and the key to that.
    """

    def __init__(self, certificate: Path) -> None:
        # Not below pytest's own folder, into which no other user may look.
        self._folder = tempfile.TemporaryDirectory(prefix=f"tether-{type(self).__name__.lower()}-")
        self.folder = Path(self._folder.name)
        self.certificate = self.folder / "certificate.pem"
        self.certificate.touch(0o600)
        self.certificate.write_bytes(certificate.read_bytes())
        if NOBODY is not None:
            for path in (self.folder, self.certificate):
                os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.start_on_free_ports()
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:  # noqa: B027 most have nothing to prepare
        """What is done once, before the first start."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def is_ready(self, client: socket.socket) -> bool:
        """Whether it answers on this connection."""

    def launch(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A sanitizer that is preloaded into the tests is none of its business.
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                user=None if NOBODY is None else NOBODY.pw_uid,
                group=None if NOBODY is None else NOBODY.pw_gid,
                extra_groups=None if NOBODY is None else [],
            )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start_on_free_ports(self) -> None:
        # Somebody else may take a port between the question and the start.
        for attempt in range(5):
            self.port, self.tls_port = free_port(), free_port()
            try:
                return self.start()
            except ChildProcessError:
                if attempt == 4:
                    raise
        return None

    def start(self) -> None:
        """Start it, again where it was killed, and wait until it answers."""
        self.process = self.launch(self.command())
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None:
                raise ChildProcessError(self.log)
            if time.monotonic() > deadline:
                raise TimeoutError(self.log)
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), 2) as client:
                return self.is_ready(client)
        except OSError:
            return False

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it and its children at once, without a word to its clients."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        parent.suspend()  # so that it starts nobody after they were counted
        family = [parent, *parent.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while any(map(_is_alive, family)):
            assert time.monotonic() < deadline, family
            time.sleep(0.005)

    def close(self) -> None:
        """Stop it, and remove its folder."""
        if self.process is not None and self.is_running:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        self._folder.cleanup()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Redis(Server):
    """Redis on a port, a port with TLS and a Unix socket; it keeps nothing on disk."""

    @property
    def path(self) -> str:
        return str(self.folder / "socket")

    def command(self) -> list[str]:
        options = {
            "bind": HOST,
            "port": self.port,
            "unixsocket": self.path,
            "tls-port": self.tls_port,
            "tls-cert-file": self.certificate,
            "tls-key-file": self.certificate,
            "tls-auth-clients": "no",
            "save": "",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        return [find_program("redis-server", "redis-server"), *words]

    def is_ready(self, client: socket.socket) -> bool:
        client.sendall(b"PING\r\n")
        return client.recv(100) == b"+PONG\r\n"


class Mosquitto(Server):
    """An MQTT broker on a port and a port with TLS; it keeps nothing on disk."""

    def command(self) -> list[str]:
        settings = self.folder / "settings"
        settings.write_text(
            f"listener {self.port} {HOST}\n"
            f"listener {self.tls_port} {HOST}\n"
            f"certfile {self.certificate}\nkeyfile {self.certificate}\n"
            "allow_anonymous true\n"
        )
        settings.chmod(0o644)
        return [find_program("mosquitto", "mosquitto"), "-c", str(settings)]

    def is_ready(self, client: socket.socket) -> bool:
        client.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")  # CONNECT without a name
        return receive_exactly(client, 4) == b"\x20\x02\x00\x00"  # CONNACK, accepted


class Postgres(Server):
    """PostgreSQL on a port, with TLS for who asks, and on a Unix socket in its folder."""

    def prepare(self) -> None:
        program = find_program("initdb", "postgresql")
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        done = self.launch([program, "--pgdata=data", "--no-sync", *options]).wait(PATIENCE)
        assert done == 0, self.log

    def command(self) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": self.folder,
            "ssl": "on",
            "ssl_cert_file": self.certificate,
            "ssl_key_file": self.certificate,
            "fsync": "off",
            "shared_buffers": "8MB",
            "max_connections": 30,
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [find_program("postgres", "postgresql"), "-D", "data", *words]

    def is_ready(self, client: socket.socket) -> bool:
        startup = struct.pack("!I", 0x30000) + b"user\0postgres\0\0"
        client.sendall(struct.pack("!I", 4 + len(startup)) + startup)
        return client.recv(1) == b"R"  # whom it asks nothing more; while it starts: E
