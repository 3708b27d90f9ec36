#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds something that a daemon wants, until SIGTERM; prints "ready" when it has it.

peer.py port PORT               listen there and say nothing
peer.py alien PORT              listen there and answer like a web server
peer.py version PORT PROTOCOL   listen there, begin like a feedback link of another version
peer.py queue NUMBER            bind a netfilter queue
"""

import os
import socket
import struct
import sys

NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, NFQA_CFG_CMD, NFQNL_CFG_CMD_BIND = 3, 2, 1, 1
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR, NETLINK_NETFILTER = 1, 4, 2, 12


def listen(port, greeting):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", int(port)))
    server.listen()
    print("ready", flush=True)
    kept = []
    while True:
        client, _ = server.accept()
        client.sendall(greeting)
        kept.append(client)


def preamble(protocol):
    """Magic, protocol, flags, ABI, public key: see docs/protocol-feedback.md."""
    return b"TCPCLINK" + struct.pack("!HHI", int(protocol), 0, 7) + os.urandom(32)


def queue(number):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 0))
    command = struct.pack("=HHBBH", 8, NFQA_CFG_CMD, NFQNL_CFG_CMD_BIND, 0, 0)
    body = struct.pack("=BBH", 0, 0, socket.htons(int(number))) + command
    head = struct.pack("=IHHII", 16 + len(body), NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
                       NLM_F_REQUEST | NLM_F_ACK, 1, 0)
    sock.send(head + body)
    answer = sock.recv(4096)
    kind, error = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
    if kind != NLMSG_ERROR or error:
        sys.exit("queue %s: %s" % (number, os.strerror(-error)))
    print("ready", flush=True)
    while True:
        sock.recv(65536)


def main():
    what, number = sys.argv[1:3]
    if what == "port":
        listen(number, b"")
    elif what == "alien":
        listen(number, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    elif what == "version":
        listen(number, preamble(sys.argv[3]))
    else:
        queue(number)


main()
