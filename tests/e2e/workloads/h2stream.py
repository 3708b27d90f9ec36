#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""HTTP/2 without TLS, as gRPC uses it for streams: one request whose body comes in many DATA frames
with pauses, and an answer in DATA frames meanwhile. Just the frames that this needs (RFC 9113).

h2stream.py serve ADDRESS PORT
    One line of output for each DATA frame: "NAME STREAM NUMBER LENGTH", and answers it.
h2stream.py talk ADDRESS PORT CONNECTIONS STREAMS FRAMES
    STREAMS at once on each connection, FRAMES on each; prints "said COUNT" when all were answered.
"""

import asyncio
import os
import random
import struct
import sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
# Literal fields without indexing, with names of the static table (RFC 7541, appendix A).
REQUEST = b"\x83\x86\x04\x05/chat\x01\x03lab"  # POST, http, :path, :authority
STATUS_200 = b"\x88"
LIMIT_S = 60


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


async def read_frame(reader):
    head = await reader.readexactly(9)
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
    return kind, flags, stream, payload


def credit(stream, length):
    """What was read may be sent again, on the stream and on the connection."""
    size = struct.pack(">I", length)
    return frame(WINDOW_UPDATE, 0, stream, size) + frame(WINDOW_UPDATE, 0, 0, size)


async def serve_frames(reader, writer):
    if await reader.readexactly(len(PREFACE)) != PREFACE:
        raise OSError("no HTTP/2")
    writer.write(frame(SETTINGS, 0, 0))
    while True:
        kind, flags, stream, payload = await read_frame(reader)
        if kind == SETTINGS and not flags & ACK:
            writer.write(frame(SETTINGS, ACK, 0))
        elif kind == HEADERS:
            writer.write(frame(HEADERS, END_HEADERS, stream, STATUS_200))
        elif kind == DATA and payload:
            name, number = payload.split()[:2]
            os.write(1, b"%s %d %s %d\n" % (name, stream, number, len(payload)))
            writer.write(credit(stream, len(payload)) + frame(DATA, 0, stream, b"got " + number))
        if kind == DATA and flags & END_STREAM:
            writer.write(frame(DATA, END_STREAM, stream))
        if kind == GOAWAY:
            return


async def serve_one(reader, writer):
    try:
        await serve_frames(reader, writer)
    except (OSError, EOFError) as e:
        os.write(1, b"broken %s\n" % str(e).encode())
    writer.close()


async def serve(address, port):
    server = await asyncio.start_server(serve_one, address, int(port))
    await server.serve_forever()


async def send(writer, name, stream, frames):
    writer.write(frame(HEADERS, END_HEADERS, stream, REQUEST))
    for number in range(frames):
        text = b"%d %d " % (name, number)
        text += b"d" * random.choice((0, 50, 1000, 9000))
        last = END_STREAM if number == frames - 1 else 0
        writer.write(frame(DATA, last, stream, text))
        await writer.drain()
        await asyncio.sleep(random.choice((0, 0, 0.005, 0.02)))


async def receive(reader, writer, streams):
    """Until all have ended; how many DATA frames were answers."""
    got = 0
    while streams:
        kind, flags, stream, payload = await read_frame(reader)
        if kind == SETTINGS and not flags & ACK:
            writer.write(frame(SETTINGS, ACK, 0))
        elif kind == DATA:
            got += payload.startswith(b"got ")
            writer.write(credit(stream, len(payload)) if payload else b"")
            streams -= flags & END_STREAM
        elif kind == GOAWAY:
            raise SystemExit("the server ends the connection")
    return got


async def talk_one(address, port, name, streams, frames):
    reader, writer = await asyncio.open_connection(address, int(port))
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    answers = asyncio.ensure_future(receive(reader, writer, streams))
    await asyncio.gather(*(send(writer, name, 2 * i + 1, frames) for i in range(streams)))
    got = await asyncio.wait_for(answers, LIMIT_S)
    writer.write(frame(GOAWAY, 0, 0, bytes(8)))
    writer.close()
    return got


async def talk(address, port, connections, streams, frames):
    got = sum(await asyncio.gather(*(
        talk_one(address, port, i, int(streams), int(frames)) for i in range(int(connections)))))
    if got != int(connections) * int(streams) * int(frames):
        raise SystemExit(f"{got} answers")
    print("said", got, flush=True)


asyncio.run({"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:]))
