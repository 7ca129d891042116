"""What every process stands on: coalescing, background tasks, notifications, logs, metrics."""
