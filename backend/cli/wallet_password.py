"""Passwords of encrypted wallets: from a file, or asked for on a terminal; never an argument."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from backend.chain.signing.keystore import PASSWORD_LENGTH_MIN
from backend.chain.wallet import AskPassword
from backend.config.secret_files import read_secret_file


def choose_password_prompt() -> AskPassword | None:
    """What asks for the password of a wallet; ``None`` without a terminal."""
    return _ask if sys.stdin.isatty() else None


def read_password(file: Path | None) -> str:
    """The password of a wallet, of a file or asked for. Raises ``ConfigurationError``."""
    if file is not None:
        return read_secret_file(file, "--password-file")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: use --password-file")
    return _ask()


def choose_password(file: Path | None) -> str:
    """A password for a new keystore, of a file or asked for twice.

    Raises ``ConfigurationError``, and ``click.UsageError`` if it is too short.
    """
    password = read_password(file)
    if len(password) < PASSWORD_LENGTH_MIN:
        raise click.UsageError(f"the password needs {PASSWORD_LENGTH_MIN} or more characters")
    if file is None and _ask("Again") != password:
        raise click.UsageError("the two passwords differ")
    return password


def _ask(prompt: str = "Password of the wallet") -> str:
    password: str = click.prompt(prompt, hide_input=True, err=True)
    return password
