"""``order-engine wallet``: makes and encrypts wallets, shows what they hold, asks for SOL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
from solders.pubkey import Pubkey

from backend.chain.signing.signer import Signer
from backend.chain.wallet import create_wallet_file, load_keypair, save_keypair
from backend.cli.process import load_settings, report_user_errors
from backend.cli.wallet_password import choose_password, choose_password_prompt, read_password
from backend.config import Settings
from backend.domain.amounts import format_amount, parse_amount
from backend.domain.tokens import SOL
from backend.engine.wallets.report import open_wallet_node, read_holdings, request_airdrop
from backend.engine.wallets.signing_wallets import list_signers

_WIDTH = 12


@click.group()
def wallet() -> None:
    """Make or encrypt a wallet, show what wallets hold, and ask a test cluster for SOL."""


_PASSWORD_FILE = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="A file with the password, readable by its owner only; else it is asked for.",
)
_SOURCE = click.option(
    "--file", "source", type=click.Path(path_type=Path), required=True, help="The wallet's file."
)
_TARGET = click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; one that exists is left as it is.",
)


@wallet.command()
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; one that exists is left as it is.",
)
@click.option("--encrypted", is_flag=True, help="Encrypt it with a password.")
@_PASSWORD_FILE
def new(path: Path, encrypted: bool, password_file: Path | None) -> None:
    """Write a new keypair, as solana-keygen does, to a file that only you can read."""
    with report_user_errors():
        is_encrypted = encrypted or password_file is not None
        password = choose_password(password_file) if is_encrypted else None
        created = create_wallet_file(path, password)
    click.echo(f"{'address':<{_WIDTH}}{created.address}")
    click.echo(f"{'file':<{_WIDTH}}{path}")
    who = "Whoever has this file and its password" if is_encrypted else "Whoever has this file"
    click.echo(f"{who} has what the wallet holds: back it up, and show it nobody.")


@wallet.command()
@_SOURCE
@_TARGET
@_PASSWORD_FILE
def encrypt(source: Path, target: Path, password_file: Path | None) -> None:
    """Write a wallet's keypair to another file, encrypted with a password.

    The file that it was in is left: delete it once the other one is proved to work.
    """
    with report_user_errors():
        keypair = load_keypair(source)
        save_keypair(target, keypair, choose_password(password_file))
    click.echo(f"{'address':<{_WIDTH}}{keypair.pubkey()}")
    click.echo(f"{'file':<{_WIDTH}}{target}")
    click.echo(f"{source} still has the key as it is: delete it once this one is proved to work.")


@wallet.command()
@_SOURCE
@_TARGET
@_PASSWORD_FILE
def decrypt(source: Path, target: Path, password_file: Path | None) -> None:
    """Write an encrypted wallet's keypair to another file as solana-keygen does."""
    with report_user_errors():
        keypair = load_keypair(source, lambda: read_password(password_file))
        save_keypair(target, keypair)
    click.echo(f"{'address':<{_WIDTH}}{keypair.pubkey()}")
    click.echo(f"{'file':<{_WIDTH}}{target}")


@wallet.command()
@click.option("--token", "mints", multiple=True, help="Also a token that is not listed, by mint.")
def show(mints: tuple[str, ...]) -> None:
    """Show addresses, cluster and balances of the wallets that a worker would sign with."""
    settings = load_settings()
    with report_user_errors():
        if settings.solana_rpc_url:
            asyncio.run(_show_balances(settings, mints))
            return
        for each in asyncio.run(_list_wallets(settings)):
            click.echo(f"{'wallet':<{_WIDTH}}{each.address}")
        click.echo("Set SOLANA_RPC_URL to see what they hold.")


async def _list_wallets(settings: Settings) -> Sequence[Signer]:
    return await list_signers(settings, choose_password_prompt())


async def _show_balances(settings: Settings, mints: tuple[str, ...]) -> None:
    async with open_wallet_node(settings, choose_password_prompt()) as node:
        click.echo(f"{'cluster':<{_WIDTH}}{node.cluster}")
        if not node.wallets:
            click.echo("There is no wallet: set ORDER_ENGINE_WALLET_FILE (`wallet new` makes one).")
        for each in node.wallets:
            click.echo(f"{'wallet':<{_WIDTH}}{each.address}")
            for token, amount in await read_holdings(node, each.address, mints):
                click.echo(f"  {format_amount(amount, token.decimals)} {token.symbol}")


@wallet.command()
@click.option("--sol", "amount", required=True, help="How much, such as 1.5.")
@click.option("--to", "recipient", help="Another address than that of the first wallet.")
def airdrop(amount: str, recipient: str | None) -> None:
    """Ask the node of a test cluster for SOL, and wait until it is confirmed."""
    settings = load_settings()
    try:
        lamports = parse_amount(amount, SOL.decimals)
    except ValueError as error:
        raise click.ClickException(f"--sol {error}") from None
    try:
        address = None if recipient is None else Pubkey.from_string(recipient)
    except ValueError:
        raise click.ClickException(f"--to {recipient} is no address in base58") from None
    with report_user_errors():
        asyncio.run(_request(settings, address, lamports))


async def _request(settings: Settings, recipient: Pubkey | None, lamports: int) -> None:
    async with open_wallet_node(settings, choose_password_prompt()) as node:
        if recipient is None and not node.wallets:
            raise click.ClickException("set ORDER_ENGINE_WALLET_FILE, or name an address with --to")
        address = recipient or node.wallets[0].address
        signature = await request_airdrop(node, address, lamports)
        balance = await node.rpc.get_balance(address)
    click.echo(f"{'cluster':<{_WIDTH}}{node.cluster}")
    click.echo(f"{'wallet':<{_WIDTH}}{address}")
    click.echo(f"{'signature':<{_WIDTH}}{signature}")
    click.echo(f"{'balance':<{_WIDTH}}{format_amount(balance, SOL.decimals)} SOL")
