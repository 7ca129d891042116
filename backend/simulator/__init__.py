"""A simulated Solana node: a process of its own, with its own state and worthless tokens.

It serves JSON-RPC with the response shapes, limits and error codes of a real node, executes real
transactions, and injects the faults of real nodes on request over ``/control``. Its ledger is
independent of the engine, so it is evidence of what really happened on the chain.
"""
