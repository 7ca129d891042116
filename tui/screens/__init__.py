"""Screens of the dashboard: the main screen and the dialogs above it."""
