#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""ids.py serve ADDRESS PORT LOG [CAPACITY WORKERS]
ids.py load ADDRESS PORT KIND CONNECTIONS REQUESTS RATE [REQUESTS RATE]...

A server that logs the id of each request once it has read it whole, and clients that give each
request an id of its own. KIND: keep (connections stay), close (one connection a request), post
(32 KB each, connections stay), form (the same with 4 KB). RATE: requests a second over all, 0 is as
fast as answers come; further pairs follow on the same connections. Clients wait for each answer,
close when the last one is there, and say how many they got.
CAPACITY: requests a second that the server can bear, all in all; it logs each when its turn has
come. WORKERS: connections that it looks after at once; others wait to be accepted, 128 at most.
"""
import asyncio
import socket
import sys

BODIES = {"post": b"x" * 32768, "form": b"x" * 4096}


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


async def read_all(reader, queue):
    """Requests as they come, then None. What has been read is served, though its client may have
    gone: asyncio would forget it."""
    try:
        while head := await read_head(reader):
            queue.put_nowait(head)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    queue.put_nowait(None)


class Pace:
    """Turns, so many a second; all may be taken at once by those who wait already."""

    def __init__(self, rate):
        self.gap = 1 / rate if rate else 0
        self.next = 0.0

    async def turn(self):
        now = asyncio.get_running_loop().time()
        at = max(now, self.next)
        self.next = at + self.gap
        if self.gap:
            await asyncio.sleep(at - now)


async def answer(reader, writer, log, pace):
    queue = asyncio.Queue()
    reading = asyncio.create_task(read_all(reader, queue))
    while head := await queue.get():
        await pace.turn()
        log.write(head.split(b" ", 2)[1] + b"\n")
        if not writer.is_closing():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        if b"Connection: close" in head:
            break
    writer.close()
    await reading


async def accept(listener, workers, log, pace):
    """Whoever comes while all workers are busy waits to be accepted."""
    free = asyncio.Semaphore(workers)
    busy = set()

    async def work(conn):
        reader, writer = await asyncio.open_connection(sock=conn)
        await answer(reader, writer, log, pace)

    def done(task):
        busy.discard(task)
        free.release()

    while True:
        await free.acquire()
        conn, _ = await asyncio.get_running_loop().sock_accept(listener)
        task = asyncio.create_task(work(conn))
        busy.add(task)
        task.add_done_callback(done)


async def serve(address, port, path, capacity=0, workers=0):
    pace = Pace(float(capacity))
    with open(path, "ab", buffering=0) as log:
        if int(workers):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server((address, int(port)), family=family, backlog=128)
            listener.setblocking(False)
            print("ready", flush=True)
            await accept(listener, int(workers), log, pace)
        server = await asyncio.start_server(
            lambda r, w: answer(r, w, log, pace), address, int(port), backlog=4096
        )
        print("ready", flush=True)
        await server.serve_forever()


def request(kind, number):
    words = [b"POST" if kind in BODIES else b"GET", b"/%d" % number, b"HTTP/1.1\r\nHost: lab\r\n"]
    text = b" ".join(words)
    if kind == "close":
        text += b"Connection: close\r\n"
    if kind in BODIES:
        body = BODIES[kind]
        return text + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return text + b"\r\n"


async def one_client(address, port, kind, plan):
    """PLAN: pairs of a number and the time to wait before it, in turn."""
    reader = writer = None
    got = 0
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number, gap in plan:
        if gap:
            due += gap
            await asyncio.sleep(max(0, due - loop.time()))
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


def plan_of(client, clients, stages):
    """What CLIENT of CLIENTS sends when: stages are pairs of requests and rate, over all."""
    plan = []
    first = 0
    for requests, rate in stages:
        gap = clients / rate if rate else 0
        plan += [(number, gap) for number in range(first + client, first + requests, clients)]
        first += requests
    if plan:
        plan[0] = (plan[0][0], plan[0][1] * client / clients)
    return plan


async def load(address, port, kind, connections, stages):
    requests = sum(n for n, _ in stages)
    clients = [
        one_client(address, port, kind, plan_of(i, connections, stages))
        for i in range(connections)
    ]
    got = sum(await asyncio.gather(*clients))
    print(f"answered {got}", flush=True)
    return 0 if got == requests else 1


def main():
    if len(sys.argv) in (5, 7) and sys.argv[1] == "serve":
        asyncio.run(serve(*sys.argv[2:]))
    elif len(sys.argv) >= 8 and len(sys.argv) % 2 == 0 and sys.argv[1] == "load":
        address, port, kind, connections = sys.argv[2:6]
        stages = [(int(n), float(r)) for n, r in zip(sys.argv[6::2], sys.argv[7::2])]
        sys.exit(asyncio.run(load(address, int(port), kind, int(connections), stages)))
    else:
        print(__doc__, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
