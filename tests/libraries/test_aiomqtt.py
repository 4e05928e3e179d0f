"""aiomqtt, which waits for paho's socket (add_reader, add_writer), against a real Mosquitto."""

from __future__ import annotations

import asyncio
import random
import socket

import aiomqtt
import pytest

from tests.libraries.certificates import Certificates
from tests.libraries.conftest import Run
from tests.libraries.servers import HOST, Mosquitto

LARGE = random.Random(1).randbytes(3_000_000)


def client_of(broker: Mosquitto, **options: object) -> aiomqtt.Client:
    return aiomqtt.Client(HOST, broker.port, **options)  # type: ignore[arg-type]


async def received(client: aiomqtt.Client, count: int) -> list[aiomqtt.Message]:
    return [await anext(client.messages) for _ in range(count)]


async def talk(client: aiomqtt.Client) -> None:
    for qos in (0, 1, 2):
        await client.subscribe(f"echo/{qos}", qos=qos)
        for number in range(50):
            await client.publish(f"echo/{qos}", number, qos=qos)
        await client.publish(f"echo/{qos}", LARGE, qos=qos)
        messages = await received(client, 51)
        assert [m.payload for m in messages] == [b"%d" % n for n in range(50)] + [LARGE]
        assert {(str(m.topic), m.qos) for m in messages} == {(f"echo/{qos}", qos)}


def test_publish_and_subscribe(run: Run, mosquitto: Mosquitto) -> None:
    async def main() -> None:
        async with client_of(mosquitto) as client:
            await talk(client)

    run(main())


def test_over_tls(run: Run, mosquitto: Mosquitto, certificates: Certificates) -> None:
    async def main() -> None:
        async with aiomqtt.Client(
            "localhost", mosquitto.tls_port, tls_context=certificates.client
        ) as client:
            await talk(client)

    run(main())


def test_many_publish_at_once(run: Run, mosquitto: Mosquitto) -> None:
    async def main() -> None:
        async with client_of(mosquitto) as client, client_of(mosquitto) as other:
            await client.subscribe("many/#", qos=1)
            await asyncio.gather(*(other.publish(f"many/{n}", "", qos=1) for n in range(500)))
            topics = {str(message.topic) for message in await received(client, 500)}
            assert topics == {f"many/{number}" for number in range(500)}

    run(main())


def test_who_comes_late_gets_what_is_retained(run: Run, mosquitto: Mosquitto) -> None:
    async def main() -> None:
        async with client_of(mosquitto) as client:
            await client.publish("lamp", "on", qos=1, retain=True)
        async with client_of(mosquitto) as client:
            await client.subscribe("lamp")
            (message,) = await received(client, 1)
            assert (message.payload, message.retain) == (b"on", True)
            await client.publish("lamp", "", qos=1, retain=True)  # forget it

    run(main())


@pytest.mark.parametrize("orderly", [False, True])
def test_the_last_will_of_who_left(run: Run, mosquitto: Mosquitto, orderly: bool) -> None:
    async def main() -> None:
        async with client_of(mosquitto) as heir:
            await heir.subscribe("wills", qos=1)
            will = aiomqtt.Will("wills", "everything to you", qos=1)
            if orderly:
                async with client_of(mosquitto, will=will):
                    pass
            else:
                with pytest.raises(aiomqtt.MqttError):
                    async with client_of(mosquitto, will=will) as client:
                        sock = client._client.socket()
                        assert isinstance(sock, socket.socket)
                        sock.shutdown(socket.SHUT_RDWR)  # without DISCONNECT
                        await anext(client.messages)
            await heir.publish("wills", "the end", qos=1)
            (message,) = await received(heir, 1)
            assert message.payload == (b"the end" if orderly else b"everything to you")

    run(main())


def test_the_broker_is_killed_and_comes_back(run: Run, mosquitto: Mosquitto) -> None:
    async def main() -> None:
        with pytest.raises(aiomqtt.MqttError):
            async with client_of(mosquitto) as client:
                await client.subscribe("news", qos=1)
                waiting = asyncio.create_task(anext(client.messages))
                await asyncio.sleep(0)
                await asyncio.to_thread(mosquitto.kill)
                with pytest.raises(aiomqtt.MqttError):
                    await waiting
                await client.publish("news", "nobody hears it", qos=1)
        with pytest.raises(aiomqtt.MqttError, match="refused"):
            async with client_of(mosquitto):
                pass
        await asyncio.to_thread(mosquitto.start)
        async with client_of(mosquitto) as client:
            await client.subscribe("news")
            await client.publish("news", "back again")
            (message,) = await received(client, 1)
            assert message.payload == b"back again"

    run(main())
