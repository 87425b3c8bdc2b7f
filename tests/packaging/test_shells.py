"""The completion scripts in the shells that they are for: parsed, and made to complete."""

import os
import subprocess

import pytest

from farthing_server import run_ok, seconds

# What is typed, split into words as the shell would; what is offered.
CASES = [
    (["key", ""], {"create", "list", "revoke"}),
    (["customer", "se"], {"search"}),
    (["help", "secret", "ro"], {"rotate"}),
    (["key", "create", "--exp"], {"--expires-at"}),
    (["serve", "--log-level", "d"], {"debug"}),
    (["secret", "rotate", ""], {"signing", "encryption"}),
    # Nothing is known, so files are offered.
    (["import", "customers", "customers.c"], {"customers.csv"}),
]


@pytest.fixture
def place(tmp_path, scripts):
    (tmp_path / "customers.csv").touch()

    def shell(*command):
        process = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=seconds(30),
            env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"},
        )
        assert (process.returncode, process.stderr) == (0, ""), process
        return process.stdout

    return shell


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(place, scripts, shell):
    assert place(shell, "-n", str(scripts / shell)) == ""


# As readline would: with files where the function offers nothing, which is what `-o default` means.
BASH = """
source "$1"
[[ $(complete -p farthing) == "complete -o default -F _farthing farthing" ]] || exit 3
shift
COMP_WORDS=(farthing "$@") COMP_CWORD=$#
_farthing
[[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "${!#}")
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("words, expected", [*CASES, (["serve", "--log-format", "=", "j"], {"json"})])
def test_bash(place, scripts, words, expected):
    offered = place("bash", "--norc", "-c", BASH, "bash", str(scripts / "bash"), *words).splitlines()
    assert set(offered) == expected


# The completion system needs a terminal; these stand in for its two functions that ours calls.
ZSH = """
compdef() { [[ $* == "_farthing farthing" ]] || exit 3 }
_describe() { print -rl -- "${(@)${(@P)2}%%:*}" }
_files() { print -rl -- $words[-1]*(N) }
source "$1"
shift
words=(farthing "$@") CURRENT=$(( $# + 1 ))
_farthing
"""


@pytest.mark.parametrize("words, expected", [*CASES, (["serve", "--log-format=j"], {"--log-format=json"})])
def test_zsh(place, scripts, words, expected):
    offered = place("zsh", "-f", "-c", ZSH, "zsh", str(scripts / "zsh"), *words).splitlines()
    assert set(offered) == expected


@pytest.mark.parametrize("words, expected", [*CASES, (["serve", "--log-format=j"], {"--log-format=json"})])
def test_fish(place, scripts, words, expected):
    line = " ".join(["farthing", *words])
    offered = place("fish", "--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', str(scripts / "fish"), line)
    assert {line.split("\t")[0] for line in offered.splitlines()} == expected
    if words == ["key", ""]:
        assert "create\tMake an API key and print it, once" in offered


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_manual_page_is_set_without_a_warning(tmp_path, width):
    page = tmp_path / "farthing.1"
    page.write_text(run_ok("manual"))
    process = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-P", "cat", page], capture_output=True, text=True,
        timeout=seconds(30), env={**os.environ, "MANWIDTH": str(width), "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""},
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "farthing - usage-based billing" in process.stdout
    assert "\\" not in process.stdout and "`" not in process.stdout
