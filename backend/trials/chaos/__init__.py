"""The chaos run: the whole engine as real processes, faults on a seeded schedule, and an audit.

Clients post orders and follow them while processes are killed and paused and the node misbehaves;
afterwards the clients' observations, the database and the chain's ledger must agree, which
``trials/audit`` finds out. ``fault_kinds``, ``fault_generators``, ``scenarios`` and ``schedule``
are pure; ``system`` and ``injection`` do I/O; ``runner`` plays one scenario, ``run`` a schedule.
"""
