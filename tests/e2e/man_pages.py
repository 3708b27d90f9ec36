#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the man pages say and what the code has, as lists to compare. For t_docs.sh.

    man_pages.py sections PAGE HEADING        the .Ss below that .Sh, one a line
    man_pages.py items PAGE HEADING [SECTION] the heads of the .It there: "--to IP:PORT", "seen"
    man_pages.py meanings PAGE HEADING [SECTION]  name, tab, text of each .It
    man_pages.py macro NAME FILE              name, tab, text of each row of an X-macro of the code
    man_pages.py rows ARRAY FILE              the same of a C array of {"name", "text"}
    man_pages.py options HELP                 "--to IP:PORT" of each option in `COMMAND --help`

PAGE is mdoc. An item that names several words (--help, -h) counts as its first.
"""
import re
import sys


def head(words):
    """The text of an .It line: macros taken away, one dash more for an Fl."""
    text = []
    flag = False
    for word in words:
        if word in ("Fl", "Ar", "Va", "Pa", "Ev", "Ic", "Cm", "Dv"):
            flag = word == "Fl"
        elif word in (",", "|"):
            break
        else:
            text.append("-" + word if flag else word)
            flag = False
    return " ".join(text)


def walk(page):
    """Each item of a page: heading, section, head, text."""
    heading = section = None
    item = None
    for line in open(page, encoding="utf-8"):
        macro = re.match(r"\.(Sh|Ss|It|El|Bl)\b *(.*)", line.rstrip("\n"))
        if not macro:
            if item and not line.startswith("."):
                item[3].append(line.strip())
            continue
        kind, rest = macro.groups()
        if kind == "Sh":
            heading, section = rest, None
        elif kind == "Ss":
            section = rest
            yield [heading, section, None, []]
        if item:
            yield item
        item = [heading, section, head(rest.split()), []] if kind == "It" else None


def items(page, heading, section=None):
    """Heads and texts of the items there; without a section those of the heading itself."""
    return [(i[2], " ".join(i[3])) for i in walk(page)
            if i[2] and i[0] == heading and i[1] == section]


def string(text):
    """C's string literals, put together."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))


def rows_of_macro(name, path):
    """Rows X(name, "text") of the macro."""
    text = open(path, encoding="utf-8").read()
    body = re.search(r"#define %s\(X\)((?:.*\\\n)*.*)" % name, text).group(1)
    found = re.findall(r'X\((\w+),((?:\s|\\\n|"(?:[^"\\]|\\.)*")+)\)', body)
    return [(n, string(t)) for n, t in found]


def rows_of_array(name, path):
    """Rows {"name", "text"} of the array."""
    text = open(path, encoding="utf-8").read()
    body = re.search(r"\b%s\[\] = \{(.*?)\n\};" % name, text, re.S).group(1)
    return re.findall(r'\{"(\w+)",\s*"([^"]*)"\}', body)


def options_of_help(text):
    """Column by column: an option without a value has blanks where one would begin."""
    for line in text.splitlines():
        found = re.match(r"  (--[a-z-]+) (\S*)", line)
        if found:
            yield " ".join(found.groups()).strip()


def main(verb, *args):
    """The list that was asked for, one a line."""
    if verb == "sections":
        lines = [i[1] for i in walk(args[0]) if i[2] is None and i[0] == args[1]]
    elif verb == "items":
        lines = [i[0] for i in items(*args)]
    elif verb == "meanings":
        lines = ["\t".join(i) for i in items(*args)]
    elif verb == "macro":
        lines = ["\t".join(r) for r in rows_of_macro(*args)]
    elif verb == "rows":
        lines = ["\t".join(r) for r in rows_of_array(*args)]
    else:
        lines = options_of_help(args[0])
    for line in lines:
        print(line)


main(*sys.argv[1:])
