#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A wire between two TUN devices: wire.py NETNS1 NETNS2. Makes tun0 in both network namespaces (paths)
and carries packets, which have no link header, until SIGTERM."""

import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000


def device(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace, encoding="ascii") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            sys.exit(os.strerror(ctypes.get_errno()))
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", b"tun0", IFF_TUN | IFF_NO_PI))
    return tun


def main():
    first, second = (device(path) for path in sys.argv[1:3])
    other = {first: second, second: first}
    print("ready", flush=True)
    while True:
        for tun in select.select([first, second], [], [])[0]:
            packet = os.read(tun, 65536)
            try:
                os.write(other[tun], packet)
            except OSError:
                pass  # the other end is down


main()
