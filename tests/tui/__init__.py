"""The dashboard: its model, its screens, and its client against the real API."""
