"""Orders that wait for a new pool: where pools of their pairs appear, and which of them pass."""
