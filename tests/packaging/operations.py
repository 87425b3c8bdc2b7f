"""The commands of docs/operations.md."""

import re

from farthing_server import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "operations.md"
BLOCK = re.compile(r"^```sh( install)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def script(with_installation):
    """All of them in order, for bash, each told before it is run. `with_installation` has those that need the package."""
    parts = [text for install, text in BLOCK.findall(DOCUMENT.read_text()) if with_installation or not install]
    assert len(parts) > 10
    return "set -euo pipefail\nPS4='+ line $LINENO: '\nset -x\n" + "".join(parts)
