"""The trial of exactness: what a swap pays on the simulated chain is what was quoted for it.

The pools are read from the bytes of their accounts, as the engine reads them, by every program that
the chain runs. ``trader`` quotes and lands transactions of one or several swaps; ``run`` draws them
at random and compares: each swap with its quote, the wallet with the sums, and every pool with the
state that was expected of it.
"""
