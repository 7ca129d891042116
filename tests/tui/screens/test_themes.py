"""Themes: snapshots of three pictures, and the contrast of all colours on every theme."""

from __future__ import annotations

import re

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from tests.tui.sessions import (
    NARROW,
    WIDE,
    StaticSource,
    get_dashboard,
    load_recorded_messages,
    make_session,
    press_keys,
    show_dashboard,
)
from tui.widgets.theme import DARK_COLOURS, LIGHT_COLOURS, THEMES, build_extra_colours

MIDDLE_MS = 26_600
ALL_THEMES = {**BUILTIN_THEMES, **{theme.name: theme for theme in THEMES}}
TRUE_COLOUR_THEMES = [theme for theme in ALL_THEMES.values() if "ansi" not in theme.name]
STATUS_COLOURS = {*DARK_COLOURS, *LIGHT_COLOURS}


class SvgSnapshot(SingleFileSnapshotExtension):
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
    session = make_session(StaticSource(load_recorded_messages(MIDDLE_MS)))
    session.settings.theme = theme
    async with show_dashboard(session, size) as pilot:
        await press_keys(pilot, *keys)
        picture = re.sub(r"terminal-\d+", "terminal", pilot.app.export_screenshot(simplify=True))
        assert picture == snapshot.use_extension(SvgSnapshot)


def contrast_ratio(foreground: Color, background: Color) -> float:
    """The contrast ratio of two colours as defined by WCAG 2."""
    light, dark = sorted((luminance(foreground), luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Color) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", TRUE_COLOUR_THEMES, ids=lambda theme: theme.name)
def test_every_status_can_be_read_on_every_theme(theme: Theme) -> None:
    shades = theme.to_color_system().generate()
    ratio_min = 4.5 if theme in THEMES else 3
    for name, value in build_extra_colours(theme).items():
        if name in STATUS_COLOURS:
            ratio = contrast_ratio(Color.parse(value), Color.parse(shades["background"]))
            assert ratio >= ratio_min, f"{name} on {theme.name}: {ratio:.1f}"


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_status_can_be_read_on_the_panels_and_the_cursor(theme: Theme) -> None:
    shades = theme.to_color_system().generate() | build_extra_colours(theme)
    for background in ("surface", "panel", "tone-cursor"):
        for name in STATUS_COLOURS:
            ratio = contrast_ratio(Color.parse(shades[name]), Color.parse(shades[background]))
            assert ratio >= 4.5, f"{name} on {background}: {ratio:.1f}"


@pytest.mark.parametrize("name", ALL_THEMES)
async def test_the_dashboard_is_drawn_in_every_theme_and_the_choice_is_kept(name: str) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS)))
    ) as pilot:
        app = get_dashboard(pilot)
        app.theme = name
        await press_keys(pilot, "j")
        assert app.session.settings.theme == name
        assert app.main.order_table.render_line(2).text.startswith("▶")


def test_success_and_failure_are_told_apart_without_red_and_green() -> None:
    for shades in (DARK_COLOURS, LIGHT_COLOURS):
        good, bad = Color.parse(shades["status-confirmed"]), Color.parse(shades["status-failed"])
        assert good.b > good.r
        assert bad.r > bad.b
