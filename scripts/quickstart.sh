#!/usr/bin/env bash
# From a fresh clone to a running engine; what follows goes to `order-engine up`.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"

usage() {
    cat <<USAGE
Usage: scripts/quickstart.sh [OPTIONS]

  Starts PostgreSQL, Valkey, a simulated Solana node, a worker and the API, and opens the
  dashboard on a terminal. Nothing is installed yet, and --help installs nothing.

$("$root/scripts/install" --help)

Options, which go to \`order-engine up\`:
  --port INTEGER            Port of the API (3000); 0 picks a free one.
  --data-dir PATH           Data folder of all processes.
  --profile [demo|instant]  Timing of a real node, or no delays.
  --workers INTEGER         Number of worker processes.
  --seed INTEGER            Seed of the simulated node.
  --pools [default|many]    Two pools of each pair, or many in five programs.
  --dress [simulated|mainnet|devnet]
                            The cluster that the simulated node looks like.
  --signer                  Let a process of its own have the paper wallet's key.
  --headless                Run without the dashboard.
  --smoke                   Execute 20 orders, show their results, and stop.
USAGE
}

for argument in "$@"; do
    if [[ "$argument" == -h || "$argument" == --help ]] && [[ ! -x "$root/.venv/bin/order-engine" ]]; then
        usage
        exit
    fi
done
"$root/scripts/install"
[[ ! -t 2 ]] || printf 'Loading the engine\n' >&2
exec "$root/.venv/bin/order-engine" up "$@"
