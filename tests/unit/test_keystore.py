"""An encrypted wallet gives its key for its password only, and nothing else away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from nacl.pwhash import argon2id
from solders.keypair import Keypair

from backend.chain.signing import keystore
from backend.chain.wallet import create_wallet_file, load_keypair, load_wallet, save_keypair
from backend.cli.operations.wallet import wallet as command
from backend.config import Settings
from backend.domain.errors import Rejected
from backend.engine.wallets.signing_wallets import load_wallets

KEYPAIR = Keypair.from_seed(bytes(range(32)))
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def weak_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of passwords in no time, which is what the real parameters prevent."""
    monkeypatch.setattr(keystore, "_PASSES", argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(keystore, "_MEMORY_BYTES", argon2id.MEMLIMIT_MIN)


def write_password(folder: Path, password: str = PASSWORD) -> Path:
    path = folder / "password"
    path.write_text(password + "\n")
    path.chmod(0o600)
    return path


def test_a_keystore_opens_with_its_password_only(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    save_keypair(path, KEYPAIR, PASSWORD)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keypair(path, lambda: PASSWORD) == KEYPAIR
    for ask, reason in ((lambda: "another password", "password is wrong"), (None, "is encrypted")):
        with pytest.raises(Rejected, match=reason) as refused:
            load_keypair(path, ask)
        assert refused.value.code == "wallet_file"
        assert PASSWORD not in str(refused.value)
    text = path.read_text()
    assert str(KEYPAIR.pubkey()) in text
    assert bytes(KEYPAIR).hex() not in text
    assert bytes(KEYPAIR)[:32].hex() not in text


@pytest.mark.parametrize(
    "change",
    [
        {"address": str(Keypair().pubkey())},
        {"salt": "00" * 16},
        {"nonce": "00" * 24},
        {"ciphertext": "00" * 80},
        {"ciphertext": "zz"},
        {"version": 2},
        {"kdf": "none"},
        {"passes": 2},
        {"passes": 10**9},
        {"memoryBytes": 1 << 40},
        {"memoryBytes": "much"},
        {"salt": None},
        {"note": "added"},
    ],
)
def test_a_keystore_that_was_changed_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "wallet.json"
    save_keypair(path, KEYPAIR, PASSWORD)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Rejected, match=r"was changed|is not a keystore"):
        load_keypair(path, lambda: PASSWORD)


def test_the_parameters_of_a_new_keystore_are_slow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert keystore._PASSES >= 3
    assert keystore._MEMORY_BYTES >= 256 << 20


def test_the_settings_name_the_file_of_the_password(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    created = create_wallet_file(path, PASSWORD)
    settings = {"wallet_file": path, "wallet_password_file": write_password(tmp_path)}
    [loaded] = load_wallets(Settings.load(**settings))
    assert loaded.address == created.address
    with pytest.raises(Rejected, match="is encrypted"):
        load_wallets(Settings.load(wallet_file=path))


def test_wallets_are_made_encrypted_and_decrypted_by_commands(tmp_path: Path) -> None:
    password = ["--password-file", str(write_password(tmp_path))]
    first, second, third = (str(tmp_path / name) for name in ("1.json", "2.json", "3.json"))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, arguments)
        assert PASSWORD not in result.output
        return result.exit_code, result.output

    assert run("new", "--file", first, "--encrypted", *password)[0] == 0
    assert run("decrypt", "--file", first, "--to", second, *password)[0] == 0
    assert run("encrypt", "--file", second, "--to", third, *password)[0] == 0
    address = load_wallet(Path(second)).address
    assert load_wallet(Path(third), lambda: PASSWORD).address == address
    assert run("encrypt", "--file", second, "--to", third, *password)[1].count("exists") == 1
    assert "no terminal" in run("decrypt", "--file", first, "--to", second)[1]
    write_password(tmp_path, "short")
    assert "10 or more" in run("encrypt", "--file", second, "--to", "4.json", *password)[1]
