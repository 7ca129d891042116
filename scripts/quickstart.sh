#!/usr/bin/env bash
# From a fresh clone to a running engine; what follows goes to `order-engine up`.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
"$root/scripts/install"
exec "$root/.venv/bin/order-engine" up "$@"
