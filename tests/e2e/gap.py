#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""How long copies went on after a fault, and how long they took to come back.

    gap.py CAPTURE BROKE_AT HEALED_AT      microseconds of the wall clock; 0: it was not

Prints two numbers of milliseconds: from the fault to the last copy before it was healed, and from
then to the first one after. "-" where there is none. A fault that never was healed: to the last copy.
"""
import struct
import sys


def times(path):
    """The time of each packet, in microseconds."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, micros, captured, _ = struct.unpack_from(order + "IIII", data, at)
        yield seconds * 1000000 + micros
        at += 16 + captured


def main():
    path, broke, healed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    end = healed or 1 << 62
    before = [t for t in times(path) if broke <= t < end]
    after = [t for t in times(path) if t >= end]
    stopped = (max(before) - broke) // 1000 if broke and before else 0
    print(stopped if broke else "-", (min(after) - end) // 1000 if after else "-")


main()
