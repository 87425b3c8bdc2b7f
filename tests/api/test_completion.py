"""What a shell is offered at TAB, and the manual page: both are made from the tables of commands and settings."""

import re

import pytest

from farthing_server import run, run_ok

SHELLS = ["bash", "zsh", "fish"]


def offered(*words):
    """The words that the last one can become, with what they mean."""
    return dict(line.split("\t") for line in run_ok("complete", *words).splitlines())


def listed_commands():
    return re.findall(r"^  (\S+(?: \S+)?)  +[A-Z]", run_ok("help"), re.M)


def flags_in_help(command):
    return re.findall(r"^  (--[a-z0-9-]+)", run_ok("help", *command.split()), re.M)


def test_every_command_is_offered_word_by_word():
    commands = listed_commands()
    assert "key create" in commands and "serve" in commands
    assert set(offered("")) == {command.split()[0] for command in commands} | {"help"}
    for command in commands:
        first, _, second = command.partition(" ")
        assert first in offered(first[:-1])
        assert first in offered("help", first[:2])
        if second:
            assert second in offered(first, second[:1])
            assert second in offered("help", first, "")
            assert second in offered("")[first]


def test_every_flag_is_offered():
    for command in listed_commands():
        words = offered(*command.split(), "-")
        assert set(flags_in_help(command)) <= set(words), command
        assert all(words.values()), "each says what it means"
    assert {"--listen", "--data"} <= set(offered("serve", "--data", "x", "--"))
    assert "--listen" not in offered("key", "create", "--")


@pytest.mark.parametrize(
    "words, expected",
    [
        (["k"], {"key"}),
        (["x"], set()),
        (["key", "re"], {"revoke"}),
        (["key", "create", "--na"], {"--name"}),
        (["serve", "--log-format", ""], {"logfmt", "json"}),
        (["serve", "--log-format=j"], {"--log-format=json"}),
        # As bash takes it apart.
        (["serve", "--log-format", "="], {"logfmt", "json"}),
        (["serve", "--log-format", "=", "j"], {"json"}),
        (["serve", "--log-format", "json", "--log-le"], {"--log-level"}),
        (["serve", "--log-format", "=", "json", "--log-le"], {"--log-level"}),
        # A boolean's value needs its =.
        (["serve", "--rbac-enforce-reads", "--log-le"], {"--log-level"}),
        (["serve", "--rbac-enforce-reads=t"], {"--rbac-enforce-reads=true"}),
        (["serve", "--rbac-enforce-reads", "=", ""], {"true", "false"}),
        (["customer", "list", "--order", ""], {"asc", "desc"}),
        (["secret", "rotate", ""], {"signing", "encryption"}),
        (["completion", ""], set(SHELLS)),
        (["help", "key", "create", ""], set()),
        (["help", "help", ""], set()),
        # Where it is a name or a file, nothing.
        (["key", "revoke", ""], set()),
        (["key", "create", "--name", ""], set()),
        (["key", "create", "--unknown", ""], set(offered("key", "create", ""))),
        (["import", "customers", ""], set()),
        (["import", "customers", "--map=x", ""], set()),
        (["serve", "--no-such=x"], set()),
        (["nonsense", "words", ""], set()),
        (["--", "=", "--=", ""], set()),
        ([], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_offered(words, expected):
    assert set(offered(*words)) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_asks_the_binary(shell):
    script = run_ok("completion", shell)
    assert " complete " in script and script.endswith("\n")


def test_no_other_shell():
    process = run("completion", "tcsh")
    assert process.returncode == 2
    assert process.stderr == 'farthing: completion is for bash, zsh or fish, not "tcsh"\n'


def test_the_manual_has_every_command_and_setting():
    page = run_ok("manual").replace("\\-", "-").replace("\\&", "")
    for command in listed_commands():
        assert f"\n\\fBfarthing {command}\\fR" in page, command
        for flag in flags_in_help(command):
            assert f"\n\\fB{flag}\\fR" in page, (command, flag)
    settings = re.findall(r"^\(?# \(--([a-z0-9-]+), (FARTHING_\w+)\)", run_ok("config", "example"), re.M)
    assert len(settings) > 50
    for name, variable in settings:
        assert page.count(f"\n\\fB--{name}\\fR") == 1, f"{name} is told once"
        assert f"\n{variable}\n" in page
