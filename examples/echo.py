"""Sends back what it gets, in both forms of a handler: /ws awaits, /fast sets a callback."""

import tether

app = tether.App()


@app.get("/")
def index(request):
    return "WebSocket echo on /ws and /fast\n"


@app.websocket("/ws")
async def comfortable(ws):
    async for message in ws:  # str for text, bytes for binary
        await ws.send(message)  # waits while the client does not read


@app.websocket("/fast")
def fast(ws):
    ws.on_message(ws.send)  # while the client does not read, it is not read either


tether.serve(app, "127.0.0.1:8080", on_ready=lambda server: print(server.url, flush=True))
