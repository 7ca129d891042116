"""A wallet signs, and never exposes its key."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from solders.keypair import Keypair

from backend.chain.wallet import Wallet, create_paper_wallet, load_wallet
from backend.chain.wire import SIMULATED_GENESIS_HASH, get_cluster_name
from backend.domain.errors import Rejected

KEYPAIR = Keypair.from_seed(bytes(range(32)))


def write_wallet_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "wallet.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_keygen_file_is_a_wallet(tmp_path: Path) -> None:
    wallet = load_wallet(write_wallet_file(tmp_path, json.dumps(list(bytes(KEYPAIR)))))

    assert wallet.address == KEYPAIR.pubkey()
    assert wallet.sign(b"message").verify(wallet.address, b"message")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_wallet_file(tmp_path, json.dumps(list(bytes(KEYPAIR))), mode)

    with pytest.raises(Rejected, match="chmod 600"):
        load_wallet(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "7",
        "[1, 2, 3]",
        json.dumps(list(bytes(KEYPAIR))[:63]),
        json.dumps([*bytes(KEYPAIR)[:32], *bytes(Keypair.from_seed(bytes(32)).pubkey())]),
        json.dumps([300] * 64),
        json.dumps("x" * 64),
        "[" * 4_000,
        "9" * 4_000,
        "9" * 10_000,
        "64",
    ],
)
def test_what_is_not_a_keypair_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(Rejected) as error:
        load_wallet(write_wallet_file(tmp_path, text))

    assert error.value.code == "wallet_file"
    assert error.value.__cause__ is None
    assert str(list(bytes(KEYPAIR))[:3]) not in str(error.value)


def test_a_file_that_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(Rejected, match="wallet file"):
            load_wallet(path)


@pytest.mark.parametrize("message", [b"", b"pay", bytes(range(256)) * 5])
def test_a_wallet_signs_as_its_keypair_does(message: bytes) -> None:
    assert Wallet(KEYPAIR).sign(message) == KEYPAIR.sign_message(message)


def test_a_wallet_shows_its_address_only() -> None:
    wallet = Wallet(KEYPAIR)

    assert repr(wallet) == f"Wallet({KEYPAIR.pubkey()})"
    with pytest.raises(TypeError):
        pickle.dumps(wallet)


def test_the_paper_wallet_is_the_same_everywhere() -> None:
    assert create_paper_wallet().address == create_paper_wallet().address
    assert str(create_paper_wallet().address) == "6wj1kR3CiyMBHEe3X7hKytbfJ9ibDqThLtixctcTSbMN"


def test_a_chain_is_known_by_its_genesis() -> None:
    assert get_cluster_name(SIMULATED_GENESIS_HASH) == "simulated"
    assert get_cluster_name("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d") == "mainnet-beta"
    assert get_cluster_name("anything") == "unknown"
