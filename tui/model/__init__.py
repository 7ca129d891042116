"""The model of the dashboard: changed by messages only; it uses no terminal and no network."""
