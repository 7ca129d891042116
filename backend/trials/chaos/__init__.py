"""The chaos run: the whole engine as real processes, broken on a seeded schedule, and audited.

Clients post orders and follow them while processes are killed, paused and lied to; afterwards
what the clients saw, what the database holds and what the chain's own ledger says have to be one
and the same story. ``schedule`` and ``audit`` are pure; ``system``, ``faults``, ``traders`` and
``collect`` touch the world; ``run`` puts them together.
"""
