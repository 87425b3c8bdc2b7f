"""Writes a C file with the numbered migrations of an engine, so that the program carries them:
embed.py OUTPUT ENGINE FILE.sql ...

A migration may begin with the line `-- oldest_reader: N`: the oldest version that a program must know to work with the
schema that it leaves. Without it, that is the migration's own number.
"""
import os
import re
import sys


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'        "{line}\\n"' for line in escaped.splitlines())


def entry(number, path):
    name = os.path.splitext(os.path.basename(path))[0]
    if int(name.split("_")[0]) != number:
        sys.exit(f"{path}: migration {number} was expected; they are numbered without gaps")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    oldest_reader = re.match(r"-- oldest_reader: (\d+)\n", text)
    return f'    {{"{name}", {oldest_reader.group(1) if oldest_reader else number},\n{literal(text)}}},'


def main():
    output, engine, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    name = f"{engine}_migrations"
    entries = [entry(number, path) for number, path in enumerate(files, start=1)]
    with open(output, "w", encoding="utf-8") as file:
        file.write('#include "store/migration.h"\n\n')
        file.write(f"const struct migration {name}[] = {{\n" + "\n".join(entries) + "\n};\n")
        file.write(f"const int {engine}_migration_count = sizeof {name} / sizeof {name}[0];\n")


main()
