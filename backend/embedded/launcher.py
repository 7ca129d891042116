"""``order-engine up``: all processes of the engine on one machine, under one supervisor.

Servers without a configured URL are started here: embedded PostgreSQL and Valkey, and the simulated
node. If this process is killed, all its children die with it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from backend import embedded
from backend.api.server.exposure import (
    build_host_rule,
    build_metrics_access,
    build_public_address,
    check_exposure,
)
from backend.api.server.listener import choose_free_port, get_reachable_url, open_listeners
from backend.config import Settings, get_variable_name, set_variables
from backend.domain.errors import Rejected, Transient
from backend.embedded import engine_processes
from backend.embedded.data_dir import note_node_url
from backend.embedded.engine_processes import ProcessCommand, Stage, StartStep
from backend.embedded.ready_message import build_ready_message
from backend.embedded.supervisor import Notice, NoticeHandler, NoticeKind
from backend.execution.release_timeout import RELEASE_TIMEOUT_S
from backend.runtime.background import run_in_background
from backend.runtime.startup import name_command, wait_for_server
from backend.simulator.options import DRESS_NAMES, NODE_TABLE_ADDRESS, POOL_SETS
from backend.store.connection import Pooling
from backend.store.migrations import migrate

API_STOP_TIMEOUT_S = 15
"""Timeout of the API's graceful shutdown: close the clients' sockets and its own services.

What ``drain_s`` says comes on top of it.
"""

API_KEY_VARIABLE = "ORDER_ENGINE_API_KEY"
"""Where clients find the key that they send."""

ForegroundTask = Callable[[str, str | None], Coroutine[Any, Any, bool]]
"""Runs beside the engine, given the API's URL and a key if it asks for one.

It ends the engine on return; returns its success.
"""


async def launch_engine(
    settings: Settings,
    *,
    pools: str = POOL_SETS[0],
    dress: str = DRESS_NAMES[0],
    has_signer: bool = False,
    stop: asyncio.Event,
    force_stop: asyncio.Event,
    foreground: ForegroundTask | None = None,
    on_notice: NoticeHandler,
) -> None:
    """Run all processes until ``stop`` is set or the foreground task has ended.

    ``pools`` are those of the simulated node, one of its ``POOL_SETS``, and ``dress`` is its
    cluster, one of its ``DRESS_NAMES``. ``has_signer`` starts a signer of its paper wallet.

    Raises ``Rejected`` or ``Transient`` if a process cannot be started, ``ConfigurationError`` if
    an address is invalid, and ``Rejected`` if the foreground task failed.
    """
    data_dir = _choose_data_dir(settings)
    # What is invalid is refused here, with a sentence, before anything starts.
    public_address = build_public_address(settings)
    build_metrics_access(settings, public_address)
    with ExitStack() as opened:
        api_sockets = open_listeners(settings.host, settings.port)
        for api_socket in api_sockets:
            opened.enter_context(api_socket)
        build_host_rule(settings, api_sockets, public_address.url)
        if note := check_exposure(settings, api_sockets):
            click.echo(note, err=True)
        _announce_servers(settings, on_notice)
        async with embedded.run_servers(
            data_dir,
            database_url=settings.database_url,
            redis_url=settings.redis_url,
            on_notice=on_notice,
            force_stop=force_stop,
        ) as servers:
            await _migrate_database(settings, servers.database_url, stop, on_notice)
            env = set_variables(
                os.environ,
                database_url=servers.database_url,
                redis_url=servers.redis_url,
                **_child_settings(settings),
            )
            plan = _StagePlan(settings, env, data_dir, api_sockets, pools, dress, has_signer)
            await _supervise_plan(plan, stop, force_stop, foreground, on_notice)


async def _migrate_database(
    settings: Settings, url: str, stop: asyncio.Event, on_notice: NoticeHandler
) -> None:
    """Bring the database up to date; each migration is a step of the start."""
    pooling = Pooling(settings.database_pooler)
    on_notice(Notice("database", NoticeKind.MIGRATES))

    def report_applied(name: str) -> None:
        on_notice(Notice("database", NoticeKind.MIGRATES, name))

    await wait_for_server(
        "PostgreSQL",
        lambda: migrate(url, pooling, on_applied=report_applied),
        away=(Transient,),
        stop=stop,
    )


class _StagePlan:
    """Builds the commands of each stage."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        data_dir: Path,
        api_sockets: Sequence[socket.socket],
        pools: str,
        dress: str,
        has_signer: bool,
    ) -> None:
        self.settings = settings
        self.env = env
        self.data_dir = data_dir
        self.api_sockets = api_sockets
        self.pools, self.dress = pools, dress
        self.has_signer = has_signer
        self.chain_port = settings.chain_port or choose_free_port(settings.host)

    @property
    def steps(self) -> tuple[StartStep, ...]:
        chain, workers = self.chain_commands, self.worker_commands
        return (chain, self.signer_commands), (workers, self.api_commands)

    def chain_commands(self, _: Mapping[str, str]) -> list[ProcessCommand]:
        if self.settings.solana_rpc_url is not None:
            return []
        argv = ("chain", "--port", str(self.chain_port), "--data-dir", str(self.data_dir))
        looks = ("--pools", self.pools, "--dress", self.dress)
        return [_build_engine_command("chain", (*argv, *looks), self.env)]

    def signer_commands(self, _: Mapping[str, str]) -> list[ProcessCommand]:
        if not self.has_signer:
            return []
        from backend.chain.signing.paper_signer import (  # noqa: PLC0415 - it needs keys of Solana
            SETTINGS,
            SIGNER,
            prepare_signer,
        )

        chosen = {n: v for n, v in SETTINGS.items() if get_variable_name(n) not in self.env}
        env = set_variables(self.env, **chosen)
        return [_build_engine_command(SIGNER, prepare_signer(self.data_dir).argv, env)]

    def worker_commands(self, ready: Mapping[str, str]) -> list[ProcessCommand]:
        env = self._add_chain_url(ready)
        if "signer" in ready:
            env = set_variables(env, signer_socket=ready["signer"])
        stop_s = self.settings.shutdown_s + RELEASE_TIMEOUT_S + 5
        return [
            _build_engine_command(f"worker-{n}", ("worker",), env, stop_timeout_s=stop_s)
            for n in range(1, self.settings.workers + 1)
        ]

    def api_commands(self, ready: Mapping[str, str]) -> list[ProcessCommand]:
        # The sockets stay open in this process: no connection is refused while the API restarts.
        fds = tuple(api_socket.fileno() for api_socket in self.api_sockets)
        argv = ("api", *(part for fd in fds for part in ("--fd", str(fd))))
        env = self._add_chain_url(ready)
        stop_s = API_STOP_TIMEOUT_S + (self.settings.drain_s or 0)
        return [_build_engine_command("api", argv, env, stop_timeout_s=stop_s, fds=fds)]

    def _add_chain_url(self, ready: Mapping[str, str]) -> dict[str, str]:
        if self.settings.solana_rpc_url is not None:
            return set_variables(self.env, solana_rpc_url=self.settings.solana_rpc_url)
        url = get_reachable_url(ready["chain"])
        socket_url = self.settings.rpc_ws_url or url.replace("http", "ws", 1)
        env = set_variables(self.env, solana_rpc_url=url, rpc_ws_url=socket_url)
        if self.pools == "many" and not self.settings.lookup_tables:
            env[get_variable_name("lookup_tables")] = NODE_TABLE_ADDRESS
        return env


async def _supervise_plan(
    plan: _StagePlan,
    stop: asyncio.Event,
    force_stop: asyncio.Event,
    foreground: ForegroundTask | None,
    on_notice: NoticeHandler,
) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_ready(addresses: Mapping[str, str]) -> None:
        if "chain" in addresses:
            note_node_url(plan.data_dir, get_reachable_url(addresses["chain"]))
        click.echo(build_ready_message(addresses["api"]))
        ready.set_result(addresses["api"])

    has_succeeded = True

    async def run_foreground() -> None:
        nonlocal has_succeeded
        if foreground is not None:
            url = get_reachable_url(await ready)
            has_succeeded = await foreground(url, choose_key(plan.settings))
            stop.set()

    async with run_in_background(run_foreground):
        await engine_processes.run_stages(
            [[_announce_stage(stage, on_notice) for stage in step] for step in plan.steps],
            log_dir=plan.data_dir / "logs",
            stop=stop,
            force_stop=force_stop,
            on_ready=on_ready,
            on_notice=on_notice,
        )
    if not has_succeeded:
        raise Rejected(
            "foreground_task_failed", "the smoke test or the dashboard failed: see above"
        )


def _choose_data_dir(settings: Settings) -> Path:
    """The data folder. Raises ``Rejected`` if an engine runs there: also its port is in use."""
    data_dir = (settings.data_dir or embedded.default_data_dir()).absolute()
    holder = embedded.find_holder(data_dir)
    if holder is not None:
        raise Rejected(
            "data_dir_in_use",
            f"an engine runs in {data_dir} already (process {holder[0]}):"
            f" `{name_command()} dashboard` opens it, with --url unless it has port 3000; a second"
            " one needs --data-dir and --port of its own",
        )
    return data_dir


def choose_key(settings: Settings) -> str | None:
    """The key for a client of this engine: the user's own if it is known here, else the first."""
    keys = [pair.partition(":")[2] for pair in settings.api_keys]
    own = os.environ.get(API_KEY_VARIABLE)
    return own if own in keys else next(iter(keys), None)


def _announce_servers(settings: Settings, on_notice: NoticeHandler) -> None:
    for name, url in (("postgres", settings.database_url), ("valkey", settings.redis_url)):
        if url is None:
            on_notice(Notice(name, NoticeKind.STARTS))


def _announce_stage(stage: Stage, on_notice: NoticeHandler) -> Stage:
    """The same stage, which says what it starts."""

    def announce(ready: Mapping[str, str]) -> Sequence[ProcessCommand]:
        commands = stage(ready)
        for command in commands:
            on_notice(Notice(command.name, NoticeKind.STARTS))
        return commands

    return announce


def _build_engine_command(
    name: str,
    argv: tuple[str, ...],
    env: Mapping[str, str],
    *,
    stop_timeout_s: float = 10,
    fds: tuple[int, ...] = (),
) -> ProcessCommand:
    return ProcessCommand(
        name,
        (sys.executable, "-m", "backend.cli", *argv),
        env,
        stop_timeout_s=stop_timeout_s,
        pass_fds=fds,
    )


def _child_settings(settings: Settings) -> dict[str, str]:
    """The settings of this process that its options may have changed, for its children."""
    names = ("host", "profile", "seed", "sol_price")
    return {name: str(getattr(settings, name)) for name in names}
