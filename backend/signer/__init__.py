"""A signer of its own process: it alone reads keys, and signs what its policy permits.

It trusts none of its clients: it parses each message itself, and asks no node. What it permits is a
swap, as the engine builds it, of the wallet for the wallet.
"""
