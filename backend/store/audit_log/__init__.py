"""The audit log: who did what and when, as a chain of hashes that shows what was changed since.

It is of the engine's users. ``trials/audit`` is another thing: it judges what became of the orders
of a trial.
"""
