"""Who signs transactions: a key in this process, or a signer of its own process."""
