"""docs/import.md says what happens: its commands are run in order, and print what stands there."""

import os
import re
import subprocess

import farthing_server
from farthing_server import BINARY, REPOSITORY, environment, seconds

DOCUMENT = REPOSITORY / "docs" / "import.md"


def steps():
    """(command, the lines that it is to print) of each block, in order."""
    for block in re.findall(r"^```console\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def pattern(output):
    """The text with `…` for anything within a line."""
    return re.compile(".*".join(re.escape(part) for part in output.split("…")))


def test_the_commands_of_the_document(tmp_path):
    data = tmp_path / "data"
    farthing_server.init(data)
    path = f"{BINARY.parent}{os.pathsep}{os.environ['PATH']}"
    ran = 0
    for command, output in steps():
        if match := re.fullmatch(r"cat (\S+\.(csv|jsonl))", command):
            file = tmp_path / match.group(1)
            if not file.exists():  # the document shows what the reader has
                file.write_text(output)
        process = subprocess.run(
            ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
            env=environment("import", PATH=path, FARTHING_DATA=str(data)), timeout=seconds(30),
        )
        assert pattern(output).fullmatch(process.stdout), f"$ {command}\n{process.stdout}\ninstead of\n{output}"
        ran += 1
    assert ran > 10
