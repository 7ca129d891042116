"""Widgets of the dashboard: the order table, the panes around it, and their styles."""
