#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Mail, where the server speaks first and refuses clients that do not wait for it.

smtp.py serve ADDRESS PORT
    Greets after 0 to 50 ms. A client that has said something by then is refused, as real servers do
    ("refused NAME"); a session that came to its QUIT is one line, "whole NAME LINES".
smtp.py send ADDRESS PORT SESSIONS AT_ONCE
    Prints "sent COUNT" when all sessions came to their end.
"""

import asyncio
import os
import random
import smtplib
import sys
import threading

BANNER_S = 0.05
ANSWERS = {"DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}
TEXT = "Subject: %d\r\n\r\n" + "A line of a letter.\r\n" * 40


def say(text):
    os.write(1, text.encode() + b"\n")


async def read_letter(reader):
    lines = 0
    while (await reader.readline()) != b".\r\n":
        lines += 1
    return lines


async def dialogue(reader, writer):
    """From EHLO to QUIT; what is to be said of the session."""
    name, lines = "nobody", 0
    while line := (await reader.readline()).decode().split():
        word = line[0].upper()
        if word == "EHLO":
            name = line[1]
        writer.write(ANSWERS.get(word, b"250 well\r\n"))
        if word == "DATA":
            lines += await read_letter(reader)
            writer.write(b"250 taken\r\n")
        if word == "QUIT":
            return f"whole {name} {lines}"
    return f"cut {name} {lines}"


async def one(reader, writer):
    try:
        early = await asyncio.wait_for(reader.read(100), random.uniform(0, BANNER_S))
        say("refused " + (early.decode().split() or ["nobody", "at once"])[1])
        writer.write(b"554 wait for the greeting\r\n")
    except asyncio.TimeoutError:
        writer.write(b"220 lab ESMTP\r\n")
        try:
            say(await dialogue(reader, writer))
        except OSError as e:
            say(f"broken {e}")
    writer.close()


async def serve(address, port):
    server = await asyncio.start_server(one, address, int(port), backlog=1024)
    await server.serve_forever()


def send_one(address, port, number):
    with smtplib.SMTP(address, port, local_hostname=f"client{number}", timeout=30) as smtp:
        smtp.sendmail("a@lab", ["b@lab"], TEXT % number)


def send(address, port, sessions, at_once):
    failed, numbers, lock = [], iter(range(int(sessions))), threading.Lock()

    def run():
        while not failed:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                send_one(address, int(port), number)
            except (OSError, smtplib.SMTPException) as e:
                failed.append(e)

    threads = [threading.Thread(target=run) for _ in range(int(at_once))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        sys.exit(f"a session failed: {failed[0]}")
    say(f"sent {sessions}")


if sys.argv[1] == "serve":
    asyncio.run(serve(*sys.argv[2:]))
else:
    send(*sys.argv[2:])
