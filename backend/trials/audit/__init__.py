"""What trials of the engine share: clients that note what they were told, and the audit of it.

``clients`` place orders as a client should and record every response and event; ``evidence`` reads
the database, the chain's ledger and the wallet; ``collector`` puts both together around a run; and
``rules``, which is pure, cross-checks them.
"""
