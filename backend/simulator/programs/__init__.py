"""The on-chain programs of the simulated chain, one module each, with their real error codes."""
