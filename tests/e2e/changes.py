#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""changes.py all|split CHANGES DIR ONLINE TARGET ADDRESS PORT NET SECOND

So many changes of targets, filters and allow-list, one behind the other, asked of the control
sockets ONLINE and TARGET, while clients with addresses NET101 and up load ADDRESS PORT. SECOND is
the target that comes and goes. Each request has an id, /m/WHO-CONNECTION-NUMBER.

all: each target gets everything, so after each answer it is known who is copied: a new connection
of a client that the change concerns says whether that is so. Other clients' connections go on
through all changes; those of `whole` are excluded again and again.
split: of each connection everybody knows no more than that it is copied whole, to one target, or
not at all.

Writes the ids that must be and must not be at the targets to DIR/must-target, never-target,
must-second, never-second, and those of whole connections to DIR/whole. Says how many of what.
"""
import asyncio
import json
import sys

GAP = 0.01  # seconds between the requests of a connection that stays
BODY = b"marked\n"


class Clients:
    def __init__(self, address, port, net):
        self.address, self.port, self.net = address, port, net
        self.errors = self.requests = self.connections = 0
        self.going = True
        self.notes = {n: [] for n in
                      ("must-target", "never-target", "must-second", "never-second", "whole")}

    def note(self, request, *names):
        for name in names:
            self.notes[name].append(request)

    async def connect(self, host):
        self.connections += 1
        return await asyncio.open_connection(
            self.address, self.port, local_addr=(f"{self.net}{host}", 0)
        )

    async def ask(self, reader, writer, request, *names):
        """One request; its id is noted before anybody can have it."""
        self.note(request, *names)
        self.requests += 1
        writer.write(f"GET {request} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
        await reader.readuntil(BODY)

    async def connection(self, host, who, requests, gap, *names):
        number = self.connections
        try:
            reader, writer = await self.connect(host)
            for n in range(requests):
                if n:
                    await asyncio.sleep(gap)
                if n and not self.going:
                    break
                await self.ask(reader, writer, f"/m/{who}-{number}-{n}", *names)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError) as error:
            print(f"client {who}: {error!r}", file=sys.stderr)
            self.errors += 1

    async def stream(self, host, who, requests, gap, *names):
        """One connection behind the other until all is over."""
        while self.going:
            await self.connection(host, who, requests, gap, *names)

    async def probe(self, host, *names):
        await self.connection(host, "probe", 1, 0, *names)

    def write(self, directory):
        for name, ids in self.notes.items():
            with open(f"{directory}/{name}", "w", encoding="ascii") as out:
                out.writelines(f"{i}\n" for i in sorted(ids))


async def command(path, *words, **options):
    """As one types it. Anything but success ends the test."""
    reader, writer = await asyncio.open_unix_connection(path)
    request = {"command": words[0], "args": list(words[1:]), "options": options}
    writer.write(json.dumps(request).encode() + b"\n")
    answer = json.loads(await reader.readline())
    writer.close()
    if not answer["ok"]:
        raise SystemExit(f"{words} {options}: {answer['error']}")


def all_changes(clients, online, target, second):
    """A round of them: the command, then what new connections of whom show."""
    net, probe = clients.net, clients.probe
    width = 128 if ":" in net else 32
    always = f"{net}105/{width}"
    listed = ",".join(f"{net}{n}/{width}" for n in (101, 102, 103, 104, 107, 109, 110))

    def exclude(*hosts):
        more = "".join(f",{net}{n}/{width}" for n in hosts)
        return command(online, "filter", "set", "eth0", exclude=always + more)

    def only(prefixes):
        return command(online, "filter", "set", "eth0", client=prefixes)

    return [
        lambda: exclude(107, 108),
        lambda: probe(108, "never-target", "never-second"),
        lambda: command(target, "allow", "add", f"{net}109/{width}"),
        lambda: probe(109, "never-target"),
        lambda: command(online, "target", "add", "eth0", second),
        lambda: probe(110, "must-target", "must-second"),
        lambda: exclude(),
        lambda: probe(108, "must-target", "must-second"),
        lambda: only(listed),
        lambda: probe(111, "never-target", "never-second"),
        lambda: probe(110, "must-target", "must-second"),
        lambda: command(online, "target", "del", "eth0", second, drain="0"),
        lambda: probe(110, "must-target", "never-second"),
        lambda: command(target, "allow", "del", f"{net}109/{width}"),
        lambda: probe(109, "must-target", "never-second"),
        lambda: only(""),
        lambda: probe(111, "must-target", "never-second"),
    ]


def split_changes(clients, online, target, second):
    net = clients.net
    width = 128 if ":" in net else 32

    def change(*words, **options):
        return lambda: command(online, *words, "eth0", **options)

    def rest():
        return asyncio.sleep(0.02)

    return [
        change("filter", "set", percent="60"),
        lambda: command(online, "target", "del", "eth0", second),
        rest,
        change("filter", "set", exclude=f"{net}102/{width}"),
        lambda: command(target, "allow", "add", f"{net}119/{width}"),
        lambda: command(online, "target", "add", "eth0", second, weight="3"),
        rest,
        change("filter", "set", percent="90", **{"sample-by": "client"}),
        change("filter", "set", client=f"{net}101/{width},{net}103/{width}"),
        lambda: command(target, "allow", "del", f"{net}119/{width}"),
        rest,
        change("filter", "set", percent="100", **{"sample-by": "connection"}),
        lambda: command(online, "target", "add", "eth0", second, weight="1"),
        change("filter", "set", client="", exclude=""),
        rest,
    ]


def all_load(clients):
    """Of who is always copied, never, and now and then."""
    loads = [clients.stream(host, "stays", 1 << 30, GAP, "must-target")
             for host in (101, 102, 103, 104) for _ in range(2)]
    loads += [clients.stream(101, "short", 3, GAP, "must-target"),
              clients.stream(102, "one", 1, 0, "must-target"),
              clients.stream(105, "out", 5, GAP, "never-target", "never-second"),
              clients.stream(106, "direct", 5, GAP, "never-target")]
    return loads + [clients.stream(107, "whole", 100, GAP, "whole") for _ in range(4)]


def split_load(clients):
    return [clients.stream(host, "whole", requests, GAP, "whole")
            for host in (101, 102, 103, 104) for requests in (2, 10, 100, 1 << 30)]


async def run(mode, changes, clients, *words):
    loads = {"all": all_load, "split": split_load}[mode](clients)
    loads = [asyncio.create_task(load) for load in loads]
    steps = {"all": all_changes, "split": split_changes}[mode](clients, *words)
    await asyncio.sleep(0.3)
    done = step = 0
    while done < changes or step % len(steps):
        task = steps[step % len(steps)]()
        done += task.__name__ == "command"
        await task
        step += 1
    await asyncio.sleep(0.1)
    clients.going = False
    await asyncio.gather(*loads)
    return done


def main():
    if len(sys.argv) != 10 or sys.argv[1] not in ("all", "split"):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    mode, changes, directory, online, target, address, port, net, second = sys.argv[1:]
    clients = Clients(address, int(port), net)
    done = asyncio.run(run(mode, int(changes), clients, online, target, second))
    clients.write(directory)
    print(f"changes {done} connections {clients.connections} requests {clients.requests} "
          f"errors {clients.errors}", flush=True)
    sys.exit(1 if clients.errors else 0)


if __name__ == "__main__":
    main()
