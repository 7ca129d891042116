#!/usr/bin/env bash
# Everything that has to hold: the checks, then the tests; what follows goes to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/check
exec scripts/test "$@"
