"""``order-engine signer``: a process that alone has the keys of wallets, and signs by a policy."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from backend.cli.process import load_settings, report_ready, run_process
from backend.cli.wallet_password import choose_password_prompt
from backend.engine.wallets.signer_process import run_signer


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), help="The Unix socket to listen on.")
@click.option(
    "--wallet",
    "wallets",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A wallet's file; the first is the main one.",
)
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="The password of encrypted wallets."
)
def signer(socket: Path | None, wallets: tuple[Path, ...], password_file: Path | None) -> None:
    """Sign for workers what a policy permits; alone have the keys.

    A transaction has to be a swap by the known programs, from the wallet to the wallet, within what
    ORDER_ENGINE_SIGNER_DAY_LIMITS permits for a day. Workers name its socket with
    ORDER_ENGINE_SIGNER_SOCKET.
    """
    settings = load_settings(
        signer_socket=socket, wallet_files=wallets or None, wallet_password_file=password_file
    )
    if wallets:
        settings = settings.model_copy(update={"wallet_file": None})

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        await run_signer(
            settings,
            choose_password_prompt(),
            now=time.time,  # noqa: TID251 - the day of the count; it is injected from here
            on_ready=lambda: report_ready(f"ready {settings.signer_socket}"),
            stop=stop,
        )

    run_process("signer", run)
