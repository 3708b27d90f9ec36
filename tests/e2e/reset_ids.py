#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""reset_ids.py serve ADDRESS PORT LOG DELAY_MS
reset_ids.py load ADDRESS PORT KIND CONNECTIONS REQUESTS

As ids.py, with clients that reset, and do not wait for an answer. KIND: reset (a connection for each
request, reset 0 to 50 ms after it), note (the same behind a request without an id, and what has the
id is not answered). DELAY_MS: what an answer takes.
"""
import asyncio
import socket
import struct
import sys

import ids

LINGER = struct.pack("ii", 1, 0)


async def answer(reader, writer, log, delay):
    try:
        while head := await ids.read_head(reader):
            if not head.startswith(b"HELLO"):
                log.write(head.split(b" ", 2)[1] + b"\n")
            if head.startswith(b"NOTE"):
                continue
            await asyncio.sleep(delay)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve(address, port, path, delay_ms):
    delay = int(delay_ms) / 1000
    with open(path, "ab", buffering=0) as log:
        server = await asyncio.start_server(
            lambda r, w: answer(r, w, log, delay), address, int(port), backlog=4096
        )
        print("ready", flush=True)
        await server.serve_forever()


def request(method, number):
    return b"%s /%d HTTP/1.1\r\nHost: lab\r\n\r\n" % (method, number)


async def one_reset(address, port, kind, number):
    _, writer = await asyncio.open_connection(address, port)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    if kind == "note":
        writer.write(request(b"HELLO", number))
        await asyncio.sleep(0.005)
    writer.write(request(b"NOTE" if kind == "note" else b"GET", number))
    await asyncio.sleep(number % 51 / 1000)
    writer.transport.abort()


async def load(address, port, kind, connections, requests):
    async def one_client(numbers):
        for number in numbers:
            await one_reset(address, port, kind, number)

    await asyncio.gather(*(one_client(range(i, requests, connections)) for i in range(connections)))


def main():
    if len(sys.argv) == 6 and sys.argv[1] == "serve":
        asyncio.run(serve(*sys.argv[2:]))
    elif len(sys.argv) == 7 and sys.argv[1] == "load" and sys.argv[4] in ("reset", "note"):
        address, port, kind, connections, requests = sys.argv[2:]
        asyncio.run(load(address, int(port), kind, int(connections), int(requests)))
    else:
        print(__doc__, file=sys.stderr)
        sys.exit(2)


main()
