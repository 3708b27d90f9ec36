#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A BPF program of somebody else on an interface: it counts packets and says what it is told to.

    others.py HOOK IFACE front|back VERDICT     HOOK: tcx-ingress, tcx-egress, xdp
    others.py pin PATH - VERDICT                for a filter of tc's

Prints "ready", at SIGUSR1 "count N", and goes on until it is ended; then its program goes too.
"""
import ctypes
import os
import signal
import socket
import struct
import sys

MAP_CREATE, LOOKUP, PROG_LOAD, PIN, LINK_CREATE = 0, 1, 5, 6, 28
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
# Program type, attach type.
HOOKS = {"tcx-ingress": (3, 46), "tcx-egress": (3, 47), "xdp": (6, 37), "pin": (3, 0)}
FLAGS = {"front": 1 << 3, "back": 1 << 4}
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    """The system call; its descriptor, or 0."""
    buf = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    result = libc.syscall(BPF_SYSCALL, command, buf, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def insn(code, regs, off, imm):
    return struct.pack("<BBhi", code, regs, off, imm)


def program(map_fd, verdict):
    """value = lookup(map, 0); if (value) (*value)++; return verdict"""
    return b"".join([
        insn(0x62, 0x0A, -4, 0),  # *(u32 *)(r10 - 4) = 0
        insn(0xBF, 0xA2, 0, 0),  # r2 = r10
        insn(0x07, 0x02, 0, -4),
        insn(0x18, 0x11, 0, map_fd), insn(0, 0, 0, 0),  # r1 = map
        insn(0x85, 0x00, 0, 1),  # map_lookup_elem
        insn(0x15, 0x00, 2, 0),
        insn(0xB7, 0x01, 0, 1),
        insn(0xDB, 0x10, 0, 0),  # lock *(u64 *)r0 += r1
        insn(0xB7, 0x00, 0, verdict),
        insn(0x95, 0x00, 0, 0),
    ])


def attach(hook, iface, where, verdict):
    """Returns the map's descriptor; the link lives as long as we do."""
    prog_type, attach_type = HOOKS[hook]
    counts = bpf(MAP_CREATE, struct.pack("<IIII", 2, 4, 8, 1))
    code = ctypes.create_string_buffer(program(counts, verdict))
    name = ctypes.create_string_buffer(b"GPL")
    prog = bpf(PROG_LOAD, struct.pack("<IIQQIIQII16sII", prog_type, (len(code) - 1) // 8,
                                      ctypes.addressof(code), ctypes.addressof(name),
                                      0, 0, 0, 0, 0, b"stranger", 0, attach_type))
    if hook == "pin":
        path = ctypes.create_string_buffer(iface.encode())
        bpf(PIN, struct.pack("<QI", ctypes.addressof(path), prog))
        return counts
    flags = 0 if hook == "xdp" else FLAGS[where]
    bpf(LINK_CREATE, struct.pack("<IIII", prog, socket.if_nametoindex(iface), attach_type, flags))
    return counts


def count(counts):
    key, value = ctypes.c_uint32(0), ctypes.c_uint64(0)
    bpf(LOOKUP, struct.pack("<IIQQ", counts, 0, ctypes.addressof(key), ctypes.addressof(value)))
    return value.value


def main():
    hook, iface, where, verdict = sys.argv[1:]
    counts = attach(hook, iface, where, int(verdict))
    signal.signal(signal.SIGUSR1, lambda *_: print("count", count(counts), flush=True))
    print("ready", flush=True)
    while True:
        signal.pause()


main()
