#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""reset_ids.py serve ADDRESS PORT LOG [DELAY_MS]
reset_ids.py load ADDRESS PORT KIND CONNECTIONS REQUESTS RATE

A server that logs the id of each request once it has read it whole, and clients that give each
request an id of its own. KIND: keep (connections stay), close (one connection a request), post
(32 KB each, connections stay), reset (a connection for each request, reset 0 to 50 ms after it),
note (the same behind a request without an id, and what has the id is not answered).
RATE: requests a second over all, 0 is as fast as answers come. Clients wait for each answer, but
for those that reset, close when the last one is there, and say how many they got.
DELAY_MS: what an answer takes.
"""
import asyncio
import socket
import struct
import sys

BODY = b"x" * 32768


async def read_head(reader):
    """The lines of one request or answer, and its body. None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    if length:
        await reader.readexactly(length)
    return head


async def answer(reader, writer, log, delay):
    try:
        while head := await read_head(reader):
            if not head.startswith(b"HELLO"):
                log.write(head.split(b" ", 2)[1] + b"\n")
            if head.startswith(b"NOTE"):
                continue
            close = b"Connection: close" in head
            await asyncio.sleep(delay)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
            await writer.drain()
            if close:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve(address, port, path, delay_ms="0"):
    with open(path, "ab", buffering=0) as log:
        server = await asyncio.start_server(
            lambda r, w: answer(r, w, log, int(delay_ms) / 1000), address, int(port), backlog=4096
        )
        print("ready", flush=True)
        await server.serve_forever()


def request(kind, number):
    method = {"post": b"POST", "note": b"NOTE", "hello": b"HELLO"}.get(kind, b"GET")
    words = [method, b"/%d" % number, b"HTTP/1.1\r\nHost: lab\r\n"]
    text = b" ".join(words)
    if kind == "close":
        text += b"Connection: close\r\n"
    if kind == "post":
        return text + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    return text + b"\r\n"


async def one_reset(address, port, kind, number):
    _, writer = await asyncio.open_connection(address, port)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    if kind == "note":
        writer.write(request("hello", number))
        await asyncio.sleep(0.005)
    writer.write(request(kind, number))
    await asyncio.sleep(number % 51 / 1000)
    writer.transport.abort()


async def one_client(address, port, kind, numbers, gap, offset):
    reader = writer = None
    got = 0
    loop = asyncio.get_running_loop()
    due = loop.time() + offset
    for number in numbers:
        if gap:
            await asyncio.sleep(max(0, due - loop.time()))
            due += gap
        if kind in ("reset", "note"):
            await one_reset(address, port, kind, number)
            got += 1
            continue
        if not writer:
            reader, writer = await asyncio.open_connection(address, port)
        writer.write(request(kind, number))
        got += (await read_head(reader)) is not None
        if kind == "close":
            writer.close()
            writer = None
    if writer:
        writer.close()
    return got


async def load(address, port, kind, connections, requests, rate):
    gap = connections / rate if rate else 0
    clients = [
        one_client(
            address, port, kind, range(i, requests, connections), gap, gap * i / connections
        )
        for i in range(connections)
    ]
    got = sum(await asyncio.gather(*clients))
    print(f"answered {got}", flush=True)
    return 0 if got == requests else 1


def main():
    if len(sys.argv) in (5, 6) and sys.argv[1] == "serve":
        asyncio.run(serve(*sys.argv[2:]))
    elif len(sys.argv) == 8 and sys.argv[1] == "load":
        address, port, kind, connections, requests, rate = sys.argv[2:]
        sys.exit(
            asyncio.run(
                load(address, int(port), kind, int(connections), int(requests), float(rate))
            )
        )
    else:
        print(__doc__, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
