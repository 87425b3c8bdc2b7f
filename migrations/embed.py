"""Writes a C file with the numbered migrations, so that the program carries them: embed.py OUTPUT FILE.sql ..."""
import os
import sys


def literal(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'        "{line}\\n"' for line in escaped.splitlines())


def main():
    output, files = sys.argv[1], sys.argv[2:]
    entries = []
    for expected, path in enumerate(files, start=1):
        name = os.path.splitext(os.path.basename(path))[0]
        if int(name.split("_")[0]) != expected:
            sys.exit(f"{path}: migration {expected} was expected; they are numbered without gaps")
        with open(path, encoding="utf-8") as file:
            entries.append(f'    {{"{name}",\n{literal(file.read())}}},')
    with open(output, "w", encoding="utf-8") as file:
        file.write('#include "store/migration.h"\n\n')
        file.write("const struct migration sqlite_migrations[] = {\n" + "\n".join(entries) + "\n};\n")
        file.write("const int sqlite_migration_count = sizeof sqlite_migrations / sizeof sqlite_migrations[0];\n")


main()
