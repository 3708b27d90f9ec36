#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Many open connections: many.py SERVER PORT COUNT SOURCE...

Opens COUNT connections, spread over the source addresses, at most 200 at once in the making; sends
one request on each and keeps all open until SIGTERM. Prints "open COUNT" when all were answered.
"""

import asyncio
import resource
import signal
import sys

REQUEST = b"GET /m/many HTTP/1.1\r\nHost: lab\r\n\r\n"


async def connect(server, port, source, gate):
    async with gate:
        reader, writer = await asyncio.open_connection(server, port, local_addr=(source, 0))
        writer.write(REQUEST)
        head = await asyncio.wait_for(reader.readuntil(b"marked\n"), 10)
        if not head.startswith(b"HTTP/1.1 200"):
            raise OSError("answered %r" % head[:40])
        return writer


async def main():
    server, port, count, *sources = sys.argv[1:]
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    gate = asyncio.Semaphore(200)
    writers = await asyncio.gather(*(
        connect(server, int(port), sources[i % len(sources)], gate) for i in range(int(count))))
    print("open", len(writers), flush=True)
    await done.wait()


_, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
asyncio.run(main())
