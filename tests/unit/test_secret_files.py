"""Every secret setting can be in a file that only its owner can read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from backend.config import ConfigurationError, Settings, build_child_environment, set_variables
from backend.config.secret_files import FILE_SUFFIX, read_secret_file
from backend.config.settings import list_secrets, list_variables
from backend.domain.access.file_modes import is_private
from backend.engine.nodes.header_file import read_header

VALUES = {
    "api_keys": "anna:file-key-0123456789",
    "database_url": "postgresql://u:p@h/d",
    "redis_url": "redis://:p@h",
    "rpc_ws_url": "wss://node/key",
}
NODE = "https://node/key"
CANARY = "canary-0123456789abcdef"
_MAY_HOLD_A_SECRET = re.compile(
    r"(url|urls|key|keys|secret|token|password|passphrase|auth|header|notify|webhooks?|dsn)$"
)
NO_SECRETS = {
    "public_url": "what clients see",
    "reference_token": "the symbol of a token",
}


def write_secret(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_setting_that_may_hold_a_secret_by_its_name_is_marked_as_one() -> None:
    suspected = {name for name in Settings.model_fields if _MAY_HOLD_A_SECRET.search(name)}
    assert suspected - set(list_secrets()) == set(NO_SECRETS)


@pytest.mark.parametrize("field", sorted(list_secrets()))
def test_every_secret_setting_is_read_from_its_file(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = VALUES.get(field, NODE)
    variable = list_secrets()[field] + FILE_SUFFIX
    monkeypatch.setenv(variable, str(write_secret(tmp_path, f"{value}\n")))
    found = getattr(Settings.load(), field)
    assert (found[0] if isinstance(found, tuple) else found) == value
    assert variable in list_variables()
    assert value not in repr(Settings.load())


@pytest.mark.parametrize("field", sorted(list_secrets()))
def test_what_is_wrong_with_a_secret_is_told_without_it(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(list_secrets()[field] + FILE_SUFFIX, str(write_secret(tmp_path, CANARY)))
    if field in {"database_url", "notify"}:  # what it is good for shows when it is used
        assert getattr(Settings.load(), field) == CANARY
        return
    with pytest.raises(ConfigurationError, match=list_secrets()[field]) as raised:
        Settings.load()
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("", 0o600, "is empty"),
        (" \n\n", 0o600, "is empty"),
        (f"{CANARY}\n{CANARY}", 0o600, "one line"),
        (f"{CANARY}\0", 0o600, "one line"),
        (CANARY, 0o644, "chmod 600"),
        (CANARY, 0o640, "chmod 600"),
        (CANARY * 4_000, 0o600, "65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_the_secret_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, reason: str
) -> None:
    path = write_secret(tmp_path, text, mode)
    monkeypatch.setenv("DATABASE_URL_FILE", str(path))
    with pytest.raises(ConfigurationError, match=f"^DATABASE_URL_FILE.*{reason}") as raised:
        Settings.load()
    assert CANARY not in str(raised.value)
    with pytest.raises(ConfigurationError, match=f"ORDER_ENGINE_SEND_AUTH_FILE.*{reason}"):
        read_header(path, "ORDER_ENGINE_SEND_AUTH_FILE")


def test_a_file_that_is_no_text_or_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    for path, reason in (
        (tmp_path / "binary", "one line"),
        (tmp_path / "nothing", "cannot be read"),
        (tmp_path, "not a file|cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=f"^NAME: .*({reason})"):
            read_secret_file(path, "NAME")


@pytest.mark.parametrize(
    ("mode", "own", "of_another"),
    [
        (0o100600, True, True),
        (0o100400, True, True),
        (0o100440, False, True),
        (0o100640, False, True),
        (0o100660, False, False),
        (0o100404, False, False),
        (0o100444, False, False),
    ],
)
def test_who_may_read_a_file_with_a_secret(mode: int, own: bool, of_another: bool) -> None:
    assert is_private(mode, 1000, 1000) is own
    assert is_private(mode, 0, 1000) is of_another


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_that_a_container_is_given_is_read(tmp_path: Path) -> None:
    path = write_secret(tmp_path, CANARY, 0o440)
    os.chown(path, 1000, 0)
    assert read_secret_file(path, "NAME") == CANARY


def test_a_setting_and_its_file_at_once_are_refused_and_an_argument_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("redis_url_file", str(write_secret(tmp_path, "redis://file")))
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings.load().redis_url == "redis://file"
    monkeypatch.setenv("REDIS_URL", "redis://variable")
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL and REDIS_URL_FILE are both set"):
        Settings.load()
    assert Settings.load(redis_url="redis://argument").redis_url == "redis://argument"


def test_a_secret_of_a_file_stays_in_the_file_where_processes_are_started(tmp_path: Path) -> None:
    environ = {"REDIS_URL_FILE": str(write_secret(tmp_path, "redis://file")), "OTHER": "1"}
    assert set_variables(environ, redis_url="redis://file") == environ
    changed = {"OTHER": "1", "REDIS_URL": "redis://embedded"}
    assert set_variables(environ, redis_url="redis://embedded") == changed
    assert build_child_environment(environ, redis_url="redis://own") == {
        "OTHER": "1",
        "REDIS_URL": "redis://own",
    }
