"""Says whether anybody listens, and if not, why: python examples/connect.py 127.0.0.1:8080"""

import sys

import tether


async def main(address):
    try:
        stream = await tether.connect(address, timeout=3)
    except tether.NetworkError as error:
        print(error)
        for attempt in error.attempts:
            print(f"  {attempt.address}: {attempt.error.reason} (errno {attempt.error.errno})")
        return 1
    print(f"connected to {stream.peer}")
    return 0


sys.exit(tether.run(main(sys.argv[1])))
