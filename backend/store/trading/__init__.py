"""Trading states: what is halted, who may change that, and what halts by itself."""
