"""The comparison of the journal with the wallets' history, after a database may have lost some."""
