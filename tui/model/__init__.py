"""The model: all that the dashboard knows, changed by messages only; no terminal, no network."""
