#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""guard_load.py ADDRESS PORT SECONDS RATE REQUESTS GAP [PADDING]

Clients that begin RATE connections a second for SECONDS; each sends REQUESTS requests GAP seconds
apart, /m/CONNECTION-REQUEST with PADDING bytes in a header, waits for each answer, and closes. Says how many connections there
were, and how many had an error.
"""
import asyncio
import sys


async def one(address, port, number, requests, gap, padding):
    try:
        reader, writer = await asyncio.open_connection(address, port)
        for i in range(requests):
            if i:
                await asyncio.sleep(gap)
            words = number, i, b"x" * padding
            writer.write(b"GET /m/%d-%d HTTP/1.1\r\nHost: lab\r\nX: %s\r\n\r\n" % words)
            await reader.readuntil(b"marked\n")
        writer.close()
        await writer.wait_closed()
        return 0
    except (OSError, asyncio.IncompleteReadError):
        return 1


async def load(address, port, seconds, rate, *rest):
    loop = asyncio.get_running_loop()
    begin = loop.time()
    tasks = []
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0, begin + number / rate - loop.time()))
        tasks.append(asyncio.create_task(one(address, port, number, *rest)))
    errors = sum(await asyncio.gather(*tasks))
    print(f"connections {len(tasks)} errors {errors}", flush=True)
    return 1 if errors else 0


def main():
    if len(sys.argv) not in (7, 8):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    address, port, seconds, rate, requests, gap = sys.argv[1:7]
    padding = int(sys.argv[7]) if len(sys.argv) == 8 else 0
    words = float(seconds), float(rate), int(requests), float(gap), padding
    sys.exit(asyncio.run(load(address, int(port), *words)))


if __name__ == "__main__":
    main()
