"""Routes through other tokens: which tokens, and the best split of each hop."""
