"""``order-engine wallet``: makes a keypair file, shows what wallets hold, asks for SOL to try."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from solders.pubkey import Pubkey

from backend.chain.wallet import create_wallet_file
from backend.cli.process import load_settings, report_user_errors
from backend.config import Settings
from backend.domain.amounts import format_amount, parse_amount
from backend.domain.tokens import SOL
from backend.engine.wallets.report import open_wallet_node, read_holdings, request_airdrop
from backend.engine.wallets.signing_wallets import load_wallets

_WIDTH = 12


@click.group()
def wallet() -> None:
    """Make a wallet, show what wallets hold, and ask a test cluster for SOL."""


@wallet.command()
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; one that exists is left as it is.",
)
def new(path: Path) -> None:
    """Write a new keypair, as solana-keygen does, to a file that only you can read."""
    with report_user_errors():
        created = create_wallet_file(path)
    click.echo(f"{'address':<{_WIDTH}}{created.address}")
    click.echo(f"{'file':<{_WIDTH}}{path}")
    click.echo("Whoever has this file has what the wallet holds: back it up, and show it nobody.")


@wallet.command()
@click.option("--token", "mints", multiple=True, help="Also a token that is not listed, by mint.")
def show(mints: tuple[str, ...]) -> None:
    """Show addresses, cluster and balances of the wallets that a worker would sign with."""
    settings = load_settings()
    with report_user_errors():
        if settings.solana_rpc_url:
            asyncio.run(_show_balances(settings, mints))
            return
        for each in load_wallets(settings):
            click.echo(f"{'wallet':<{_WIDTH}}{each.address}")
        click.echo("Set SOLANA_RPC_URL to see what they hold.")


async def _show_balances(settings: Settings, mints: tuple[str, ...]) -> None:
    async with open_wallet_node(settings) as node:
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
    async with open_wallet_node(settings) as node:
        if recipient is None and not node.wallets:
            raise click.ClickException("set ORDER_ENGINE_WALLET_FILE, or name an address with --to")
        address = recipient or node.wallets[0].address
        signature = await request_airdrop(node, address, lamports)
        balance = await node.rpc.get_balance(address)
    click.echo(f"{'cluster':<{_WIDTH}}{node.cluster}")
    click.echo(f"{'wallet':<{_WIDTH}}{address}")
    click.echo(f"{'signature':<{_WIDTH}}{signature}")
    click.echo(f"{'balance':<{_WIDTH}}{format_amount(balance, SOL.decimals)} SOL")
