"""Colours: three whole pictures, and that everything can be read on every theme."""

from __future__ import annotations

import re

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from tests.tui.desks import NARROW, WIDE, Still, dashboard, desk, press, recorded, shown
from tui.widgets.theme import DARK, LIGHT, THEMES, colours

MIDDLE_MS = 26_600
ALL = {**BUILTIN_THEMES, **{theme.name: theme for theme in THEMES}}
COLOURED = [theme for theme in ALL.values() if "ansi" not in theme.name]
OURS = {*DARK, *LIGHT}


class Pictures(SingleFileSnapshotExtension):
    """An SVG for each picture."""

    _write_mode = WriteMode.TEXT
    file_extension = "svg"


@pytest.mark.parametrize(
    ("theme", "size", "keys"),
    [
        ("order-engine-dark", WIDE, ("right_square_bracket",)),
        ("order-engine-light", WIDE, ("right_square_bracket",)),
        ("order-engine-dark", NARROW, ("6",)),
    ],
    ids=["dark", "light", "small"],
)
async def test_a_picture_is_as_it_was(
    snapshot: SnapshotAssertion, theme: str, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    shown_desk = desk(Still(recorded(MIDDLE_MS)))
    shown_desk.settings.theme = theme
    async with shown(shown_desk, size) as pilot:
        await press(pilot, *keys)
        picture = re.sub(r"terminal-\d+", "terminal", pilot.app.export_screenshot(simplify=True))
        assert picture == snapshot.use_extension(Pictures)


def contrast(ink: Color, ground: Color) -> float:
    """The contrast of two colours after WCAG 2."""
    light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Color) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
def test_every_status_can_be_read_on_every_theme(theme: Theme) -> None:
    shades = theme.to_color_system().generate()
    least = 4.5 if theme in THEMES else 3
    for name, value in colours(theme).items():
        if name in OURS:
            found = contrast(Color.parse(value), Color.parse(shades["background"]))
            assert found >= least, f"{name} on {theme.name}: {found:.1f}"


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_status_can_be_read_on_our_own_panels_and_the_cursor(theme: Theme) -> None:
    shades = theme.to_color_system().generate() | colours(theme)
    for ground in ("surface", "panel", "tone-cursor"):
        for name in OURS:
            found = contrast(Color.parse(shades[name]), Color.parse(shades[ground]))
            assert found >= 4.5, f"{name} on {ground}: {found:.1f}"


@pytest.mark.parametrize("name", ALL)
async def test_the_dashboard_is_drawn_in_every_theme_and_the_choice_is_kept(name: str) -> None:
    async with shown(desk(Still(recorded(MIDDLE_MS)))) as pilot:
        app = dashboard(pilot)
        app.theme = name
        await press(pilot, "j")
        assert app.desk.settings.theme == name
        assert app.main.blotter.render_line(2).text.startswith("▶")


def test_success_and_failure_are_told_apart_without_red_and_green() -> None:
    for shades in (DARK, LIGHT):
        good, bad = Color.parse(shades["status-confirmed"]), Color.parse(shades["status-failed"])
        assert good.b > good.r
        assert bad.r > bad.b
