"""A connect through a proxy: the way leads through it, and what it refuses is told as it is."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import tether
from tests.certificates import NAME, client_context, server_context
from tests.connect.proxies import answers, proxy, socks, tunnels
from tests.connect.test_failures import closed_port
from tests.connect.test_success import echo
from tests.connect.test_tls import tls_server


async def echoes(stream: tether.Stream, message: bytes = b"hello") -> None:
    await stream.send(message)
    assert await stream.readexactly(len(message)) == message
    stream.close()
    await stream.wait_closed()
    assert stream.error is None


def told(kind: str, host: str, port: str) -> str:
    """What the proxy hears of an address."""
    if kind.startswith("http"):
        return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
    number = {"127.0.0.1": 1, "localhost": 3, "[::1]": 4}[host]
    return f"1 {number} {host.strip('[]')} {port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
def test_a_tunnel(kind: str, host: str) -> None:
    async def main() -> None:
        is_https = kind == "https"
        serve = socks() if kind.startswith("socks") else tunnels()
        listening = "[::1]:0" if ":" in host else "127.0.0.1:0"
        with proxy(serve, server_context("127.0.0.1") if is_https else None) as through:
            async with tether.listen(listening, echo) as listener:
                port = listener.address.rpartition(":")[2]
                stream = await tether.connect(
                    f"{host}:{port}",
                    proxy=f"{kind}://{through.address}",
                    proxy_ssl=client_context() if is_https else None,
                )
                assert stream.peer == f"{host}:{port}"
                await echoes(stream, bytes(range(256)) * 1000)
            assert through.heads == [told(kind, host, port)]

    tether.run(main())


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_tls_through_a_tunnel(kind: str) -> None:
    async def main() -> None:
        is_https = kind == "https"
        serve = socks() if kind == "socks5" else tunnels()
        with proxy(serve, server_context("127.0.0.1") if is_https else None) as through:
            async with tls_server(server_context()) as address:
                stream = await tether.connect(
                    address,
                    ssl=client_context(),
                    server_hostname=NAME,
                    proxy=f"{kind}://{through.address}",
                    proxy_ssl=client_context() if is_https else None,
                )
                await echoes(stream, bytes(range(256)) * 1000)

    tether.run(main())


def test_what_the_peer_says_first_is_not_lost() -> None:
    async def main() -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        with proxy(tunnels(interim, b"220 ready\r\n")) as through:
            async with tether.listen("127.0.0.1:0", echo) as listener:
                stream = await tether.connect(listener.address, proxy=f"http://{through.address}")
                assert await stream.readexactly(11) == b"220 ready\r\n"
                await echoes(stream)

    tether.run(main())


def test_the_proxy_is_told_who_asks() -> None:
    async def main() -> None:
        with proxy(tunnels()) as through, proxy(socks((b"u\xc3\xa9r", b"p@ss:"))) as other:
            async with tether.listen("127.0.0.1:0", echo) as listener:
                for url in (
                    f"http://u%C3%A9r:p%40ss%3A@{through.address}/",
                    f"socks5://u%C3%A9r:p%40ss%3A@{other.address}",
                ):
                    await echoes(await tether.connect(listener.address, proxy=url))
            line = through.heads[0].split("\r\n")[2]
            encoded = line.removeprefix("Proxy-Authorization: Basic ")
            assert base64.b64decode(encoded) == b"u\xc3\xa9r:p@ss:"

    tether.run(main())


REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"


@pytest.mark.parametrize(
    ("rest", "stays", "body"),
    [
        (b"Content-Length: 5\r\n\r\nlog in", True, b"log i"),
        (b"\r\nuntil the end", False, b"until the end"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nlog\r\n3\r\n in\r\n0\r\n\r\n", True, b"log in"),
        (b"Content-Length: 50\r\n\r\ncut", False, b"cut"),
        (b"Content-Length: 0\r\n\r\n", True, b""),
    ],
    ids=["length", "until the end", "chunks", "cut short", "empty"],
)
def test_a_refusal_carries_the_proxys_answer(rest: bytes, stays: bool, body: bytes) -> None:
    async def main() -> None:
        with proxy(answers(REFUSAL + rest, stays)) as through:
            with pytest.raises(tether.TunnelError) as caught:
                await tether.connect("here.test:443", proxy=f"http://u:geheim@{through.address}")
            error = caught.value
            assert (error.status, error.body) == (407, body)
            assert ("Proxy-Authenticate", "Basic") in error.headers
            assert (error.phase, error.token) == ("tunnel", "connection_refused")
            assert (error.peer, error.address) == ("here.test:443", through.address)
            (attempt,) = error.attempts
            assert isinstance(attempt.error, tether.TunnelError)
            assert attempt.error.status == 407
            assert str(error).startswith(
                f"tunnel to here.test:443 ({through.address}) failed: "
                "the proxy answered 407 Proxy Authentication Required after "
            )
            assert "geheim" not in repr(error) + str(error)
            assert error.again().body == body

    tether.run(main())


def test_an_endless_refusal_is_cut() -> None:
    async def main() -> None:
        with proxy(answers(REFUSAL + b"\r\n" + b"x" * 1_000_000)) as through:
            with pytest.raises(tether.TunnelError) as caught:
                await tether.connect("here.test:443", proxy=f"http://{through.address}")
            assert caught.value.body == b"x" * 65536

    tether.run(main())


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP: 'SSH-"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 200\x1b[2J\r\n\r\n", r"is not HTTP: 'HTTP/1.1 200\?\[2J"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "a header of the proxy's answer is none"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, "is over 32768 bytes"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "another protocol"),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * 2_000, "is over 32768 bytes"),
    ],
    ids=["not HTTP", "status", "control", "header", "long", "switch", "endless hints"],
)
def test_an_answer_that_breaks_the_grammar(reply: bytes, said: str) -> None:
    async def main() -> None:
        with proxy(answers(reply, stays=True)) as through:
            with pytest.raises(tether.ProtocolError, match=said) as caught:
                await tether.connect("here.test:443", proxy=f"http://{through.address}")
            assert caught.value.phase == "tunnel"
            assert caught.value.address == through.address

    tether.run(main())


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 O"])
def test_a_proxy_that_leaves(reply: bytes) -> None:
    async def main() -> None:
        with proxy(answers(reply)) as through:
            with pytest.raises(tether.ConnectionClosed, match="the proxy closed") as caught:
                await tether.connect("here.test:443", proxy=f"http://{through.address}")
            assert (caught.value.phase, caught.value.address) == ("tunnel", through.address)

    tether.run(main())


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_a_proxy_that_is_not_there(kind: str) -> None:
    async def main() -> None:
        with closed_port() as address, pytest.raises(tether.ConnectionRefused) as caught:
            await tether.connect("here.test:443", proxy=f"{kind}://u:geheim@{address}")
        error = caught.value
        assert (error.phase, error.peer, error.address) == ("connect", address, "127.0.0.1")
        assert "(the proxy for here.test:443)" in str(error)
        assert "geheim" not in str(error)

    tether.run(main())


def test_whose_certificate_it_was() -> None:
    async def main() -> None:
        with proxy(tunnels(), server_context("other.test")) as through:
            with pytest.raises(tether.CertificateError) as caught:
                await tether.connect(
                    "here.test:443", proxy=f"https://{through.address}", proxy_ssl=client_context()
                )
            assert (caught.value.phase, caught.value.peer) == ("tls", through.address)
            assert "(the proxy for here.test:443)" in str(caught.value)
        with proxy(tunnels()) as through:
            async with tls_server(server_context("other.test")) as address:
                with pytest.raises(tether.CertificateError) as caught:
                    await tether.connect(
                        address,
                        ssl=client_context(),
                        server_hostname=NAME,
                        proxy=f"http://{through.address}",
                    )
                assert (caught.value.phase, caught.value.peer) == ("tls", address)
                assert "proxy" not in str(caught.value)

    tether.run(main())


@pytest.mark.parametrize(
    ("reply", "said"),
    [(2, "2, not allowed by its rules"), (5, "5, connection refused"), (99, "99, unknown")],
)
def test_socks_refuses(reply: int, said: str) -> None:
    async def main() -> None:
        with proxy(socks(reply=reply)) as through:
            with pytest.raises(tether.TunnelError, match=said) as caught:
                await tether.connect("here.test:443", proxy=f"socks5://{through.address}")
            assert caught.value.status == reply
            assert (caught.value.phase, caught.value.address) == ("tunnel", through.address)

    tether.run(main())


@pytest.mark.parametrize(
    ("login", "said"), [("", "asks for a user|wants neither"), ("u:wrong@", "refused user and")]
)
def test_socks_refuses_who_asks(login: str, said: str) -> None:
    async def main() -> None:
        with proxy(socks((b"u", b"right"))) as through:
            connecting = tether.connect("a.test:1", proxy=f"socks5://{login}{through.address}")
            with pytest.raises(tether.TunnelError, match=said):
                await connecting

    tether.run(main())


def test_no_socks_there() -> None:
    async def main() -> None:
        async with tether.listen("127.0.0.1:0", lambda stream: stream.send(b"220 hi")) as listener:
            with pytest.raises(tether.ProtocolError, match="does not speak SOCKS 5"):
                await tether.connect("here.test:1", proxy=f"socks5://{listener.address}")

    tether.run(main())


NO_PROXIES = [
    "127.0.0.1:3128",
    "ftp://u:geheim@host:1",
    "http://u:geheim@",
    "http://u:geheim@host:99999",
    "http://u:geheim@host:1/path",
    "http://u:geheim@host:1?query",
    "http://u:geheim@ho st:1",
    "http://u:geheim@[::1:1",
    "http://u%3Ageheim:x@host:1",
    "socks5://:geheim@host:1",
    "u:geheim@host:1",
]


def test_what_is_no_proxy_is_refused_and_its_password_not_shown() -> None:
    async def main() -> None:
        for url in NO_PROXIES:
            with pytest.raises(ValueError, match=r"prox|user") as caught:
                await tether.connect("here.test:1", proxy=url)
            assert "geheim" not in str(caught.value)

    tether.run(main())


def test_what_does_not_fit_together() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="Unix"):
            await tether.connect("unix:/nowhere", proxy="http://127.0.0.1:1")
        with pytest.raises(ValueError, match="proxy_ssl"):
            await tether.connect("a:1", proxy="http://127.0.0.1:1", proxy_ssl=client_context())

    tether.run(main())


def test_a_refusal_is_told_before_the_deadline_though_the_proxy_stays() -> None:
    async def main() -> None:
        # Nothing says how long what follows is, and nothing follows.
        with proxy(answers(b"HTTP/1.1 403 Forbidden\r\n\r\n", stays=True)) as through:
            for name in ("timeout", "tunnel_timeout"):
                settings: dict[str, Any] = {name: 0.3}
                connecting = tether.connect(
                    "a.test:1", proxy=f"http://{through.address}", **settings
                )
                with pytest.raises(tether.TunnelError, match="403 Forbidden") as caught:
                    await connecting
                assert caught.value.elapsed is not None and caught.value.elapsed < 0.3

    tether.run(main())
