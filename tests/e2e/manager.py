#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""manager.py SOCKET: hears what a service manager would, one line a datagram on standard output."""
import socket
import sys

manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
print("ready", flush=True)
while True:
    print(manager.recv(4096).decode().replace("\n", " "), flush=True)
