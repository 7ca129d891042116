"""Answers of a terminal that come as keys: dropped, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key

from tests.terminal import run_in_terminal
from tests.tui.sessions import RECORDING
from tui.widgets.terminal_answers import TerminalAnswers

ANSWERS = (
    "\x1b[?1;2c",
    "\x1b[?64;1;2;6c",
    "\x1b[>41;354;0c",
    "\x1b[?2026;2$y",
    "\x1b[?1u",
    "\x1b[24;80R",
    "\x1b[48;24;80;0;0t",
    "\x1b]11;rgb:1e1e/2f2f/3030\x1b\\",
    "\x1b]10;rgb:ffff/ffff/ffff\x07",
)


def make_keys(text: str) -> list[Key]:
    """The keys that Textual makes of characters that it does not know as a sequence."""
    keys = []
    for character in text:
        if character == "\x1b":
            keys.append(Key("circumflex_accent", "^"))
        else:
            parsed = [event for event in XTermParser().feed(character) if isinstance(event, Key)]
            keys += parsed
    return keys


def sort_out(text: str) -> str:
    answers = TerminalAnswers()
    typed = [key for event in make_keys(text) for key in answers.sort_out(event)]
    return "".join(key.character or "" for key in [*typed, *answers.release()])  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("escape", [True, False], ids=["escape", "no-escape"])
def test_an_answer_is_dropped_and_what_was_typed_around_it_is_not(
    answer: str, escape: bool
) -> None:
    text = answer if escape else answer.removeprefix("\x1b")
    typed = sort_out(f"n{text}7j")
    assert typed.replace("^", "") == "n7j"


@pytest.mark.parametrize("typed", ["[", "[[", "]]x", "[7", "[?", "]12", "1[3x", "^", "/[abc"])
def test_keys_that_are_no_answer_are_all_there_in_their_order(typed: str) -> None:
    assert sort_out(typed) == typed


@pytest.mark.parametrize("moment", ["\x1b[?1049h", "Quality"], ids=["started", "drawn"])
async def test_an_answer_at_the_start_switches_no_status_on(tmp_path: Path, moment: str) -> None:
    async with run_in_terminal(tmp_path, "--replay", str(RECORDING), "--speed", "0") as dashboard:
        await dashboard.wait_for_output(moment)
        os.write(dashboard.master, b"\x1b]11;rgb:1e1e/2323/4545\x1b\\")
        await dashboard.wait_for_output("confirmed")
        os.write(dashboard.master, b"/")
        await dashboard.wait_for_output("status:failed")  # the hint of an empty filter
        assert b"0 of 453 match" not in dashboard.output
        os.write(dashboard.master, b"\x1b")
