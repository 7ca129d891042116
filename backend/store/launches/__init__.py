"""What orders for new pools need every process to know: their tokens, and pools that were found."""
