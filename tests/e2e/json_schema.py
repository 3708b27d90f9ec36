#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Answers of `tcpcopyctl --json` against docs/json.md. For t_json.sh.

    json_schema.py PAGE ANSWERS

ANSWERS is a directory; the name of each file in it is that of a section of PAGE, up to a dot, and each
line is an answer. Prints a line for each path that an answer has and the page has not, or that has
another type, and for each path of the page that no answer had, unless its type says "sometimes".
"""
import json
import os
import re
import sys

TYPES = {str: "string", bool: "boolean", int: "number", float: "number", dict: "object",
         list: "array", type(None): "null"}


def sections(page):
    """Section -> {path: (type, sometimes)}; the tables below headings `## name`."""
    found = {}
    paths = None
    for line in open(page, encoding="utf-8"):
        heading = re.match(r"## `([a-z ]+)`", line)
        row = re.match(r"\| `([^`]+)` \| ([a-z]+)(, sometimes)? \|", line)
        if line.startswith("## "):
            paths = found.setdefault(heading.group(1), {}) if heading else None
        elif row and paths is not None:
            paths[row.group(1)] = (row.group(2), bool(row.group(3)))
    return found


def known(path, paths):
    """The row for this path: itself, or with `*` for its last member."""
    return path if path in paths else re.sub(r"[^.\]]+$", "*", path)


def walk(value, path, paths, seen, wrong):
    """Every member of an answer; below an object whose rows end in `*` all names are fine."""
    if path:
        row = known(path, paths)
        kind = TYPES[type(value)]
        if row not in paths:
            wrong.add("%s (%s) is not on the page" % (path, kind))
            return
        if paths[row][0] != kind:
            wrong.add("%s is a %s, the page says %s" % (path, kind, paths[row][0]))
        seen.add(row)
    if isinstance(value, dict):
        for name, member in value.items():
            walk(member, path + "." + name if path else name, paths, seen, wrong)
    elif isinstance(value, list):
        for member in value:
            walk(member, path + "[]", paths, seen, wrong)


def main(page, directory):
    """Compare; returns how many answers there were."""
    pages = sections(page)
    seen = {name: set() for name in pages}
    n = 0
    for name in sorted(os.listdir(directory)):
        section = name.split(".")[0]
        if section not in pages:
            print("%s: no such section" % section)
            continue
        wrong = set()
        for line in open(os.path.join(directory, name), encoding="utf-8"):
            walk(json.loads(line), "", pages[section], seen[section], wrong)
            n += 1
        for text in sorted(wrong):
            print("%s: %s" % (section, text))
    for section, paths in pages.items():
        for path in sorted(set(paths) - seen[section]):
            if not paths[path][1]:
                print("%s: no answer has %s" % (section, path))
    print("answers: %d" % n)


main(*sys.argv[1:])
