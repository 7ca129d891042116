"""The command line: ``order-engine up | api | worker | chain | migrate | keys | doctor |
rehearse | verify | wallet | signer | report | halt | resume | state | halts | limits | audit |
archive | notify | dashboard | accounts | attack | bench | chaos | deployments | exactness |
failover | fuzz | hosts | nodes | oracle | overlimit | power-loss | splits | upgrade-trial |
wallets | webhook-trial``; ``tui`` is another name of ``dashboard``.

Each process prints ``ready …`` on standard output once it accepts work, logs to standard error,
and shuts down gracefully on SIGTERM, on Ctrl-C, and when its terminal is closed.
"""

from __future__ import annotations

from typing import Final

import click

from backend.cli.command_group import CommandGroup, CommandSource

_DASHBOARD: Final = CommandSource(
    "tui.cli", "main", "Follow the orders of an engine in the terminal."
)

COMMANDS: Final = {
    "up": CommandSource(
        "backend.cli.up",
        "up",
        "Start all processes, with embedded servers where no URL is configured.",
    ),
    "api": CommandSource("backend.cli.api", "api", "Serve the HTTP and WebSocket API."),
    "worker": CommandSource("backend.cli.worker", "worker", "Execute orders from the queue."),
    "chain": CommandSource("backend.cli.chain", "chain", "Simulate a Solana node."),
    "migrate": CommandSource(
        "backend.cli.migrate", "migrate_command", "Apply all pending database migrations."
    ),
    "keys": CommandSource(
        "backend.cli.operations.keys",
        "keys",
        "Make, list, change, rotate and revoke the API keys in PostgreSQL.",
    ),
    "doctor": CommandSource(
        "backend.cli.operations.doctor",
        "doctor",
        "Show whether PostgreSQL, Redis, the node and the signer can be used, and why not.",
    ),
    "rehearse": CommandSource(
        "backend.cli.operations.rehearse",
        "rehearse",
        "Quote and simulate orders on a real node without sending anything.",
    ),
    "verify": CommandSource(
        "backend.cli.operations.verify",
        "verify",
        "Check what is stored of all orders against what the engine promises.",
    ),
    "wallet": CommandSource(
        "backend.cli.operations.wallet",
        "wallet",
        "Make or encrypt a wallet, show what wallets hold, and ask a test cluster for SOL.",
    ),
    "signer": CommandSource(
        "backend.cli.signer",
        "signer",
        "Sign for workers what a policy permits; alone have the keys.",
    ),
    "halt": CommandSource(
        "backend.cli.operations.trading",
        "halt",
        "Halt trading: once this returns, no process signs anything more.",
    ),
    "resume": CommandSource(
        "backend.cli.operations.trading",
        "resume",
        "Resume trading: what was held goes on.",
    ),
    "state": CommandSource(
        "backend.cli.operations.trading",
        "state",
        "Set the trading state: ACTIVE, REDUCING or HALTED.",
    ),
    "halts": CommandSource(
        "backend.cli.operations.trading",
        "halts",
        "Show what is halted, since when, why and by whom.",
    ),
    "limits": CommandSource(
        "backend.cli.operations.limits",
        "limits",
        "Show, set and remove what the orders of owners may be at most.",
    ),
    "audit": CommandSource(
        "backend.cli.operations.audit",
        "audit",
        "Verify or export the log of who did what.",
    ),
    "archive": CommandSource(
        "backend.cli.operations.archive",
        "archive",
        "Move ended orders from the database to files.",
    ),
    "notify": CommandSource(
        "backend.cli.operations.notify",
        "notify",
        "Show which services tell operators what they must hear, or try them.",
    ),
    "dashboard": _DASHBOARD,
    "tui": _DASHBOARD,
    "report": CommandSource(
        "backend.cli.operations.report",
        "report",
        "Sum up orders, fills, fees and profit of a time.",
    ),
    "accounts": CommandSource(
        "backend.trials.accounts.command",
        "accounts",
        "Compare fills, positions and reports with the ledger; measure files of many fills.",
    ),
    "attack": CommandSource(
        "backend.trials.attack.command",
        "attack",
        "Attack an engine beside a client that behaves, and must not notice it.",
    ),
    "bench": CommandSource(
        "backend.trials.bench.command",
        "bench",
        "Benchmark the engine as real processes with durable transitions; verify no order is lost.",
    ),
    "chaos": CommandSource(
        "backend.trials.chaos.command",
        "chaos",
        "Inject faults while orders run, and audit the outcome of every order.",
    ),
    "deployments": CommandSource(
        "backend.trials.deployments.command",
        "deployments",
        "Run orders against every PostgreSQL, Redis and node that people have, and audit them.",
    ),
    "exactness": CommandSource(
        "backend.trials.exactness.command",
        "exactness",
        "Compare what random swaps pay on a simulated chain with their quotes, to the base unit.",
    ),
    "failover": CommandSource(
        "backend.trials.failover.command",
        "failover",
        "Kill the primary of PostgreSQL, or of a Redis Cluster, under orders, and audit.",
    ),
    "fuzz": CommandSource(
        "backend.trials.fuzz.command",
        "fuzz",
        "Send odd requests to the API's addresses of orders, which must refuse each with a reason.",
    ),
    "hosts": CommandSource(
        "backend.trials.hosts.command",
        "hosts",
        "Run orders over four hosts whose network breaks, and audit what became of each.",
    ),
    "nodes": CommandSource(
        "backend.trials.nodes.command",
        "nodes",
        "Run orders over one node, then over three of which one is faulty at any time.",
    ),
    "oracle": CommandSource(
        "backend.trials.oracle.command",
        "oracle",
        "Compare when waiting orders are released with a brute-force replay of the prices.",
    ),
    "power-loss": CommandSource(
        "backend.trials.failover.power_command",
        "power_loss",
        "Cut the power of PostgreSQL's disk under orders, and audit what was answered.",
    ),
    "splits": CommandSource(
        "backend.trials.splits.command",
        "splits",
        "Compare splits of orders over random pools with an optimum that is found by brute force.",
    ),
    "overlimit": CommandSource(
        "backend.trials.limits.command",
        "overlimit",
        "Place many orders at once on two servers against each limit: none may be exceeded.",
    ),
    "upgrade-trial": CommandSource(
        "backend.trials.upgrades.command",
        "upgrade_trial",
        "Replace an earlier version by this one under orders, process by process, and audit them.",
    ),
    "webhook-trial": CommandSource(
        "backend.trials.webhooks.command",
        "webhook_trial",
        "Tell receivers of orders of two owners while processes are killed, and audit what they"
        " got.",
    ),
    "wallets": CommandSource(
        "backend.trials.wallets.command",
        "wallets",
        "Try what wallets pay for: too little funds, rates of several, costs, landing in time.",
    ),
}


@click.group(
    cls=CommandGroup, sources=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="order-engine")
def main() -> None:
    """Executes orders for Solana DEX swaps, each at most once."""
