# Clients switch LEDs in real time, and each has the temperature pushed to it.
import tether

app = tether.App()
leds = {"red": False, "green": False}


def push(ws):
    ws.send_json({"leds": leds, "temperature": 21 + 4 * sum(leds.values())})


@app.websocket("/ws")
async def board(ws):
    ws.every(0.1, push, ws)  # belongs to ws, and ends with it, whatever ends it
    async for name in ws:  # "red" or "green" switches that LED
        leds[name] = not leds[name]


tether.serve(app, "127.0.0.1:8080")
