"""API keys as they are configured: a mistake is refused at start, and never opens the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.config import ConfigurationError, Settings
from backend.embedded.launcher import API_KEY_VARIABLE, choose_key

VARIABLE = "ORDER_ENGINE_API_KEYS"
SECRET = "secret-key-0123456789"
GOOD = f"anna:{SECRET}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "entry 1 is empty") for text in (",", " ", "\t", ", ,", " , ", "\n", ",,,")),
        *((f"{GOOD}{rest}", "entry 2 is empty") for rest in (",", ", ", ",,")),
        (f",{GOOD}", "entry 1 is empty"),
        *((text, "entry 1 has no colon") for text in (SECRET, "anna", "anna;secret-key-01234567")),
        *((text, "entry 1 has no owner") for text in (":", f":{SECRET}", f" :{SECRET}")),
        ("anna:", "entry 1 has a key of 0 letters: it needs 16 or more"),
        ("anna:secret-key-0123", "entry 1 has a key of 15 letters: it needs 16 or more"),
        (f"{GOOD},bert:", "entry 2 has a key of 0 letters"),
        *((f"{owner}:{SECRET}", "entry 1 has a blank beside") for owner in (" anna", "anna ")),
        (f"{GOOD}, bert:{SECRET}-2", "entry 2 has a blank beside"),
        *((f"anna:{key}", "entry 1 has a key with blanks") for key in (f" {SECRET}", f"{SECRET} ")),
        *((f"anna:{key}", "entry 1 has a key with blanks") for key in (f"a b{SECRET}", "ключ" * 5)),
        (f"{GOOD}\n", "entry 1 has a key with blanks"),
        (f"{GOOD},bert:{SECRET}", "entry 2 has the key of entry 1"),
        (f"{GOOD},{GOOD}", "entry 2 has the key of entry 1"),
        (f"an\x07na:{SECRET}", "entry 1 has an owner with characters"),
    ],
)
def test_what_is_malformed_is_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigurationError) as refused:
        Settings.load()
    message = str(refused.value)
    assert message.startswith(f"{VARIABLE} is invalid: {reason}")
    assert "secret" not in message


def test_a_key_of_sixteen_letters_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "anna:secret-key-01234")
    assert Settings.load().api_keys == ("anna:secret-key-01234",)


def test_an_owner_may_have_several_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{GOOD},anna:another-{SECRET},bert:x:{SECRET}")
    assert len(Settings.load().api_keys) == 3


@pytest.mark.parametrize("text", [None, ""])
def test_unset_and_empty_mean_no_keys(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert Settings.load().api_keys == ()


def test_settings_do_not_show_their_keys() -> None:
    assert SECRET not in repr(Settings.load(api_keys=GOOD, wallet_file=Path("wallet")))


@pytest.mark.parametrize(
    ("own", "chosen"),
    [(None, SECRET), ("of-another-engine-0123", SECRET), (f"{SECRET}-2", f"{SECRET}-2")],
)
def test_what_up_opens_has_a_key_that_is_known(
    monkeypatch: pytest.MonkeyPatch, own: str | None, chosen: str
) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)
    if own is not None:
        monkeypatch.setenv(API_KEY_VARIABLE, own)
    assert choose_key(Settings.load(api_keys=f"{GOOD},bert:{SECRET}-2")) == chosen
    assert choose_key(Settings.load(api_keys="")) is None
