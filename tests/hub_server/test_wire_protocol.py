"""What a message is read as, and what is said of one that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tether.hub import protocol


@pytest.mark.parametrize(
    ("text", "code", "identifier", "named"),
    [
        ("", "bad_json", None, "JSON"),
        ("hello", "bad_json", None, "not JSON"),
        ("[1]", "bad_json", None, "object"),
        ("null", "bad_json", None, "object"),
        ('{"id":1', "bad_json", None, "not JSON"),
        ('{"id":1,"type":"ping"} x', "bad_json", None, "not JSON"),
        ('{"id":1,"type":"ping","x":NaN}', "bad_json", None, "not JSON"),
        ("[" * 100_000, "bad_json", None, ""),
        ('{"id":1,"x":' + "[" * 100_000 + "]" * 100_000 + "}", "bad_json", None, "nested"),
        ('{"type":"ping"}', "bad_request", None, "id"),
        ('{"id":null,"type":"ping"}', "bad_request", None, "id"),
        ('{"id":true,"type":"ping"}', "bad_request", None, "id"),
        ('{"id":1.5,"type":"ping"}', "bad_request", None, "id"),
        ('{"id":9007199254740993,"type":"ping"}', "bad_request", None, "id"),
        (json.dumps({"id": "x" * 65, "type": "ping"}), "bad_request", None, "id"),
        ('{"id":1}', "bad_request", 1, "type"),
        ('{"id":1,"type":5}', "bad_request", 1, "type"),
        ('{"id":"a","type":"dance"}', "unknown_type", "a", "dance"),
        ('{"type":"dance"}', "unknown_type", None, "dance"),
        ('{"id":1,"type":"set","value":true}', "bad_request", 1, "device"),
        ('{"id":1,"type":"set","device":"lamp"}', "bad_request", 1, "value"),
        ('{"id":1,"type":"set","device":7,"value":true}', "bad_request", 1, "device"),
        ('{"id":1,"type":"set","device":"lamp","value":"on"}', "bad_request", 1, "value"),
        ('{"id":1,"type":"set","device":"lamp","value":null}', "bad_request", 1, "value"),
        ('{"id":1,"type":"subscribe","devices":"*"}', "bad_request", 1, "devices"),
        ('{"id":1,"type":"subscribe","devices":["a",5]}', "bad_request", 1, "devices[1]"),
        ('{"id":1,"type":"subscribe","interval":-1}', "bad_request", 1, "interval"),
        ('{"id":1,"type":"subscribe","interval":1e999}', "bad_request", 1, "interval"),
        ('{"id":1,"type":"history","device":"a","seconds":0}', "bad_request", 1, "seconds"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_message_that_cannot_be_read(
    text: str, code: str, identifier: int | str | None, named: str
) -> None:
    with pytest.raises(protocol.RequestError) as raised:
        protocol.decode(text)
    assert raised.value.code == code
    assert raised.value.identifier == identifier
    assert named in raised.value.message
    assert "\n" not in raised.value.message


def test_a_binary_frame_is_refused_whatever_it_holds() -> None:
    with pytest.raises(protocol.RequestError, match="binary") as raised:
        protocol.decode(b'{"id":1,"type":"ping"}')
    assert raised.value.code == "bad_json"


def test_unknown_fields_are_ignored() -> None:
    assert protocol.decode('{"id":1,"type":"ping","colour":{"deep":[1]}}') == protocol.Ping(1)


def test_a_long_unknown_type_is_not_sent_back_whole() -> None:
    with pytest.raises(protocol.RequestError) as raised:
        protocol.decode(json.dumps({"id": 1, "type": "x" * 10_000}))
    assert len(raised.value.message) < 200


def test_an_error_with_an_id_is_a_result_and_without_one_an_error() -> None:
    with_id = protocol.RequestError("bad_request", "no", 7).reply()
    without = protocol.RequestError("bad_json", "no").reply()
    assert json.loads(protocol.encode(with_id)) == {
        "type": "result",
        "id": 7,
        "ok": False,
        "error": {"code": "bad_request", "message": "no"},
    }
    assert json.loads(protocol.encode(without)) == {
        "type": "error",
        "id": None,
        "error": {"code": "bad_json", "message": "no"},
    }


def test_a_result_carries_only_the_fields_that_apply() -> None:
    answer: dict[str, Any] = json.loads(protocol.encode(protocol.Result(1, ok=True)))
    assert answer == {"type": "result", "id": 1, "ok": True}
