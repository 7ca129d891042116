"""Order Execution Engine: takes orders for Solana DEX swaps and executes each at most once."""
