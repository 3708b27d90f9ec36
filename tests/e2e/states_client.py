#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Clients of states_server.py that go through one state or option of TCP each.

states_client.py ADDRESS PORT NAME CASE [ARGUMENT...]

A case ends when all answers are there; any error is an exit status. Cases that go on later say
"ready" and wait for a line on the FIFO that is their argument.
"""

import socket
import struct
import sys

MPTCP = 262
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
RECV_QUEUE, SEND_QUEUE = 1, 2
TCP_REPAIR_ON, TCP_REPAIR_OFF_NO_WP = 1, -1
TCP_MD5SIG, MD5_KEY = 14, b"lab"
SO_RCVBUFFORCE = 33
PSH, ACK = 8, 16


def connect(address, port=0, proto=0, source="", **options):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, proto)
    sock.settimeout(10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if "buffer" in options:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, options["buffer"])
    if "md5" in options:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, options["md5"])
    if port or source:
        sock.bind((source, port))
    sock.connect(address)
    return sock


def ask(sock, name, count=100):
    sock.sendall(f"{name} ask {count}\n".encode())


def answer(sock, count=100):
    while count:
        part = sock.recv(min(count, 1 << 20))
        if not part:
            raise SystemExit("the online server has closed")
        count -= len(part)


def until_closed(sock):
    while sock.recv(65536):
        pass


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def numbers(sock):
    """The connection's next sequence numbers, sent and received."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)
    found = []
    for queue in SEND_QUEUE, RECV_QUEUE:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        found.append(sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP)
    return found


def inject(sock, seq, ack, data):
    """A segment of this connection that its own TCP knows nothing of."""
    (source, sport), (dest, dport) = sock.getsockname(), sock.getpeername()
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack, 5 << 4, PSH | ACK, 512,
                       0, 0)
    pseudo = (socket.inet_aton(source) + socket.inet_aton(dest) +
              struct.pack("!HH", 6, len(head) + len(data)))
    total = checksum(pseudo + head + data)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.sendto(head[:16] + struct.pack("!H", total) + head[18:] + data, (dest, 0))


def go_on(fifo):
    print("ready", flush=True)
    with open(fifo, encoding="ascii") as lines:
        lines.readline()


def many(address, name, count, size="100", proto=0):
    """Connections that are all open at once; two requests each."""
    socks = []
    for i in range(int(count)):
        socks.append(connect(address, proto=proto))
        ask(socks[i], f"{name}-{i}", size)
    for again in True, False:
        for i, sock in enumerate(socks):
            answer(sock, int(size))
            if again:
                ask(sock, f"{name}-{i}", size)
    for sock in socks:
        sock.close()


def mptcp(address, name, count):
    many(address, name, count, "5000", MPTCP)


def scale(address, name, shift):
    """The receive buffer decides what window scale the SYN offers."""
    sock = connect(address, buffer=max(60000, 50000 << int(shift)))
    offered = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 16)[6] >> 4
    if offered != int(shift):
        raise SystemExit(f"the SYN offered a window scale of {offered} instead of {shift}")
    for _ in range(2):
        ask(sock, name, 200000)
        answer(sock, 200000)


def fastopen(address, name, count):
    """The first request goes with the SYN."""
    for i in range(int(count)):
        sock = socket.socket()
        sock.settimeout(10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendto(f"{name}-{i} ask 100\n".encode(), socket.MSG_FASTOPEN, address)
        answer(sock)
        for size in 3000, 100:
            ask(sock, f"{name}-{i}", size)
            answer(sock, size)
        sock.close()


def ports(address, name, port, count):
    """One connection after the other from the same port; the server closes first."""
    for i in range(int(count)):
        sock = connect(address, int(port))
        sock.sendall(f"{name}-{i} bye\n".encode())
        until_closed(sock)
        sock.close()


def port_once(address, name, port, ending):
    """One request from that port. What is left of it: nothing, by reset or by close."""
    sock = connect(address, int(port))
    ask(sock, name)
    answer(sock)
    if ending == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif ending == "bye":
        sock.sendall(f"{name} bye\n".encode())
        until_closed(sock)
    sock.close()


def urgent(address, name):
    """The urgent byte is not part of the stream."""
    sock = connect(address)
    for _ in range(3):
        sock.sendall(f"{name} ask 1".encode())
        sock.send(b"!", socket.MSG_OOB)
        sock.sendall(b"0\n")
        answer(sock, 10)


def half(address, name, count):
    """The answer comes after the client's FIN."""
    for i in range(int(count)):
        sock = connect(address)
        sock.sendall(f"{name}-{i} late 300000\n".encode())
        sock.shutdown(socket.SHUT_WR)
        answer(sock, 300000)
        until_closed(sock)


def both(address, name, count):
    """Client and server close at the same time."""
    for i in range(int(count)):
        sock = connect(address)
        sock.sendall(f"{name}-{i} bye\n".encode())
        sock.shutdown(socket.SHUT_WR)
        until_closed(sock)
        sock.close()


def probe(address, name, count):
    """Keep-alive probes with a byte in them, as some send, after each answer."""
    sock = connect(address)
    for _ in range(int(count)):
        ask(sock, name)
        answer(sock)
        sent, received = numbers(sock)
        inject(sock, sent - 1, received, b"\n")
        inject(sock, sent - 1, received, b"\n")


def window_probe(address, name, count):
    """The first byte of each request comes alone, as into a closed window, and then again."""
    sock = connect(address)
    for _ in range(int(count)):
        sent, received = numbers(sock)
        inject(sock, sent, received, name[:1].encode())
        ask(sock, name)
        answer(sock)


def later(address, name, fifo, probes="0"):
    """A request; when told, another two."""
    sock = connect(address)
    ask(sock, name)
    answer(sock)
    go_on(fifo)
    for _ in range(int(probes)):
        sent, received = numbers(sock)
        inject(sock, sent - 1, received, b"\n")
    for _ in range(2):
        ask(sock, name)
        answer(sock)


def signed(address, name, source):
    peer = struct.pack("=H2s4s120x", socket.AF_INET, b"", socket.inet_aton(address[0]))
    key = peer + struct.pack("=BBHI80s", 0, 0, len(MD5_KEY), 0, MD5_KEY)
    sock = connect(address, source=source, md5=key)
    for _ in range(3):
        ask(sock, name)
        answer(sock)


def main():
    address, name, case = (sys.argv[1], int(sys.argv[2])), sys.argv[3], sys.argv[4]
    globals()[case](address, name, *sys.argv[5:])


main()
