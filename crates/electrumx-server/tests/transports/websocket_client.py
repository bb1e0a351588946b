"""A client of another language: what a wallet does over WebSocket, by Python's `websockets`.

usage: websocket_client.py WS_URL WSS_URL CERTIFICATE

Prints `subscribed` once it waits to be told of a block, and `done` at the end.
"""

import json
import ssl
import sys

from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

PATIENCE = 60


def receive(ws):
    text = ws.recv(timeout=PATIENCE)
    assert isinstance(text, str), "answers are text"
    assert "\n" not in text, "one document in a message"
    return json.loads(text)


def ask(ws, method, *params):
    ws.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    answer = receive(ws)
    assert answer["id"] == 7 and answer["jsonrpc"] == "2.0" and "error" not in answer, answer
    return answer["result"]


def converse(ws):
    software, version = ask(ws, "server.version", "python", ["1.4", "1.6"])
    assert software.startswith("ElectrumX") and version == "1.6"
    assert ask(ws, "server.ping") is None
    assert len(ask(ws, "blockchain.block.headers", 0, 2)["headers"]) >= 1

    # In fragments, as bytes, with a line end behind.
    request = json.dumps({"id": "x", "method": "server.banner"})
    ws.send([request[:5], request[5:9], request[9:]])
    assert receive(ws)["id"] == "x"
    ws.send(request.encode())
    assert receive(ws)["id"] == "x"
    ws.send(request + "\n")
    assert receive(ws)["id"] == "x"

    # Several under way, a batch, an answer of many frames, an error.
    for number in range(250):
        ws.send(json.dumps({"id": number, "method": "server.ping"}))
    assert [receive(ws)["id"] for _ in range(250)] == list(range(250))
    batch = [{"id": number, "method": "server.features"} for number in range(500)]
    ws.send(json.dumps(batch))
    assert [answer["id"] for answer in receive(ws)] == list(range(500))
    ws.send("{")
    assert receive(ws)["error"]["code"] == -32700

    assert ws.ping("are you there").wait(PATIENCE), "no pong"


def main(ws_url, wss_url, certificate):
    context = ssl.create_default_context(cafile=certificate)
    with connect(ws_url) as ws, connect(wss_url, ssl=context) as wss:
        for client in (ws, wss):
            converse(client)
        heights = [ask(client, "blockchain.headers.subscribe")["height"] for client in (ws, wss)]
        print("subscribed", flush=True)
        for client, height in zip((ws, wss), heights):
            told = receive(client)
            assert told["method"] == "blockchain.headers.subscribe" and "id" not in told, told
            assert told["params"][0]["height"] == height + 1, told
        for client in (ws, wss):
            client.close()
            try:
                client.recv(timeout=PATIENCE)
                raise AssertionError("the connection goes on")
            except ConnectionClosedOK:
                pass
    print("done", flush=True)


main(*sys.argv[1:])
