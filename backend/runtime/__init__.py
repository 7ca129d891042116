"""Shared runtime services: coalescing, background tasks, commit notifications, logs, metrics."""
