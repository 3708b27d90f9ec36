#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A chat: lines both ways on connections that stay open, neither side waiting for the other.

lines.py serve ADDRESS PORT PUSH_MS
    One line of output for each line it got. Answers each, and says something of its own accord
    every PUSH_MS milliseconds.
lines.py talk ADDRESS PORT CONNECTIONS SECONDS
    Each connection says "CONNECTION NUMBER padding", sometimes several lines at once or one in two
    parts, with pauses of 0 to 50 ms. Prints "said COUNT" when all were answered.
"""

import asyncio
import os
import random
import sys
import time

LIMIT_S = 30


def say(line):
    os.write(1, line)


async def serve(address, port, push_ms):
    async def push(writer):
        while True:
            await asyncio.sleep(int(push_ms) / 1000)
            writer.write(b"news " + b"n" * random.randrange(1, 2000) + b"\n")

    async def one(reader, writer):
        pusher = asyncio.ensure_future(push(writer))
        try:
            while line := await reader.readline():
                say(b" ".join(line.split()[:2]) + b" %d\n" % len(line))
                writer.write(b"got " + line)
        except OSError as e:
            say(b"broken %s\n" % str(e).encode())
        pusher.cancel()
        writer.close()

    server = await asyncio.start_server(one, address, int(port), limit=1 << 20)
    await server.serve_forever()


async def talk_one(address, port, name, seconds):
    reader, writer = await asyncio.open_connection(address, int(port), limit=1 << 20)
    said = 0
    answers = asyncio.ensure_future(read_answers(reader))
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        text = b""
        for _ in range(random.choice((1, 1, 1, 4))):
            text += b"%d %d %s\n" % (name, said, b"x" * random.choice((10, 200, 4000)))
            said += 1
        cut = random.choice((len(text), len(text), len(text) // 2))
        writer.write(text[:cut])
        await asyncio.sleep(random.uniform(0, 0.05))
        writer.write(text[cut:])
    writer.write_eof()
    got = await asyncio.wait_for(answers, LIMIT_S)
    if got != said:
        raise SystemExit(f"{said} said, {got} answered")
    writer.close()
    return said


async def read_answers(reader):
    got = 0
    while line := await reader.readline():
        got += line.startswith(b"got ")
    return got


async def talk(address, port, connections, seconds):
    said = await asyncio.gather(*(talk_one(address, port, i, seconds)
                                  for i in range(int(connections))))
    say(b"said %d\n" % sum(said))


asyncio.run({"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:]))
