"""Trading states: which orders are executed while somebody has stopped others."""
