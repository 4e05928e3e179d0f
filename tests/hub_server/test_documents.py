"""The documents describe the protocol that is spoken: their examples, and the running server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.hub_server.device_board import Board
from tether.hub import protocol
from tether.hub.rest import STATUS_OF

DOCUMENTS = Path(__file__).parents[2] / "docs"
ASYNC_API: dict[str, Any] = yaml.safe_load((DOCUMENTS / "asyncapi.yaml").read_text())
OPEN_API: dict[str, Any] = yaml.safe_load((DOCUMENTS / "openapi.yaml").read_text())
WORDS = (DOCUMENTS / "protocol.md").read_text()
ServerMessage = (
    protocol.Snapshot
    | protocol.States
    | protocol.CommandUpdate
    | protocol.Result
    | protocol.ErrorMessage
)
REQUESTS = {"set", "get", "subscribe", "history", "ping"}
EXAMPLES = [
    pytest.param(name, example["payload"], id=f"{name}-{example['name']}")
    for name, message in ASYNC_API["components"]["messages"].items()
    for example in message["examples"]
]
# msgspec looks at the types only; what is JSON stays JSON, so the round trip must be the same.
SCHEMAS = ASYNC_API["components"]["schemas"]


def conforms(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value fits a JSON schema, as far as the documents use JSON schema."""
    if "$ref" in schema:
        found: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return conforms(value, found, root)
    if "oneOf" in schema:
        return sum(conforms(value, choice, root) for choice in schema["oneOf"]) == 1
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = schema.get("type")
    if kinds is not None:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(is_of_kind(value, kind) for kind in kinds):
            return False
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        # Stricter than JSON schema: the server sends nothing that is not described.
        return set(schema.get("required", ())) <= set(value) <= set(properties) and all(
            conforms(part, properties[name], root) for name, part in value.items()
        )
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        return all(
            conforms(part, first[index] if index < len(first) else schema.get("items", {}), root)
            for index, part in enumerate(value)
        )
    return True


def is_of_kind(value: Any, kind: str) -> bool:
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    types: dict[str, Any] = {
        "number": (int, float),
        "integer": int,
        "string": str,
        "null": type(None),
        "object": dict,
        "array": list,
    }
    return isinstance(value, types[kind])


@pytest.mark.parametrize(("name", "payload"), EXAMPLES)
def test_each_example_is_what_the_server_reads_and_writes(
    name: str, payload: dict[str, Any]
) -> None:
    if name in REQUESTS:
        request = protocol.decode(json.dumps(payload))
        assert type(request).__struct_config__.tag == name
        read = msgspec.to_builtins(request)
        assert {key: read[key] for key in payload} == payload
    else:
        message: Any = msgspec.convert(payload, ServerMessage)
        assert json.loads(protocol.encode(message)) == payload
    reference = ASYNC_API["components"]["messages"][name]["payload"]
    assert conforms(payload, reference, ASYNC_API)


def test_every_message_of_the_protocol_is_described() -> None:
    spoken = {"set", "get", "subscribe", "history", "ping"}
    answered = {"snapshot", "states", "command", "result", "error"}
    assert set(ASYNC_API["components"]["messages"]) == spoken | answered
    for name in spoken | answered:
        assert f"`{name}`" in WORDS


def test_the_words_and_the_schemas_name_the_same_error_codes() -> None:
    described = set(re.findall(r"^\| `([a-z_]+)` \| .* \| (?:\d+)? ?\|$", WORDS, re.MULTILINE))
    assert described == set(SCHEMAS["Failure"]["properties"]["code"]["enum"])
    over_http = OPEN_API["components"]["schemas"]["Failed"]["properties"]["error"]
    assert set(over_http["properties"]["code"]["enum"]) == set(STATUS_OF)
    assert described == set(STATUS_OF) | {"unknown_type"}


def test_every_json_example_in_words_is_a_message() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", WORDS, re.MULTILINE | re.DOTALL)
    decoder = json.JSONDecoder()
    count = 0
    for block in blocks:
        rest = block.strip()
        while rest:
            message, end = decoder.raw_decode(rest)
            rest = rest[end:].strip()
            count += 1
            if message["type"] in REQUESTS:
                protocol.decode(json.dumps(message))
            else:
                msgspec.convert(message, ServerMessage)
    assert count >= 15


def test_the_running_server_sends_what_the_schemas_say(board: Board) -> None:
    client = board.connect()
    messages = [client.receive()]
    board.publish("meter", 21.5)
    messages.append(client.receive("states"))
    for request in (
        {"type": "set", "device": "lamp", "value": True},
        {"type": "set", "device": "lamp", "value": 3},
        {"type": "get", "device": "meter"},
        {"type": "get", "device": "nobody"},
        {"type": "history", "device": "meter"},
        {"type": "ping"},
        {"type": "subscribe"},
    ):
        messages.append(client.ask(**request))
    client.connection.send("garbage")
    messages.append(client.receive("error"))
    messages += client.seen
    kinds = {message["type"] for message in messages}
    assert kinds == {"snapshot", "states", "command", "result", "error"}
    for message in messages:
        payload = ASYNC_API["components"]["messages"][message["type"]]["payload"]
        assert conforms(message, payload, ASYNC_API), message


def test_the_running_server_answers_http_as_the_schemas_say(board: Board) -> None:
    json_type = {"Content-Type": "application/json"}
    for method, path, template, body in (
        ("GET", "/", "/", b""),
        ("GET", "/api/devices", "/api/devices", b""),
        ("GET", "/api/devices/lamp", "/api/devices/{device}", b""),
        ("GET", "/api/devices/nobody", "/api/devices/{device}", b""),
        ("POST", "/api/devices/lamp", "/api/devices/{device}", b'{"value": true}'),
        ("POST", "/api/devices/lamp", "/api/devices/{device}", b'{"value": 1}'),
        ("POST", "/api/devices/meter", "/api/devices/{device}", b'{"value": 1}'),
        ("GET", "/api/history/meter", "/api/history/{device}", b""),
        ("GET", "/api/history/meter?seconds=x", "/api/history/{device}", b""),
        ("GET", "/metrics", "/metrics", b""),
        ("GET", "/healthz", "/healthz", b""),
        ("GET", "/readyz", "/readyz", b""),
    ):
        reply = board.http(method, path, headers=json_type, body=body)
        described = OPEN_API["paths"][template][method.lower()]["responses"][str(reply.status)]
        if "$ref" in described:
            described = OPEN_API["components"]["responses"][described["$ref"].rpartition("/")[2]]
        content_type = reply.headers["Content-Type"].partition(";")[0]
        assert content_type in described["content"], (method, path)
        schema = described["content"][content_type]["schema"]
        value = reply.json() if content_type == "application/json" else reply.text
        assert conforms(value, schema, OPEN_API), (method, path, value)
