"""A Solana node that runs on this machine: its own process, its own state, play money.

It speaks JSON-RPC with the real shapes, limits and error codes, executes real transactions, and
can be told over ``/control`` to do to a client what real nodes do on bad days. Its ledger is kept
apart from everything of the engine, so it is the witness of what really happened.
"""
