"""``python -m backend.cli``: the command line, as its child processes are started."""

import os

from backend.cli import main

main(prog_name=os.environ.get("ORDER_ENGINE_PROG", "order-engine"))
