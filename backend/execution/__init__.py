"""Order execution: from the claim of an order to its final status, including its transaction."""
