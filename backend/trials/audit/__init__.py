"""What trials of the engine share: clients that note what they were told, and the audit of it.

``clients`` place orders as a client should and record every response and event, ``canceller``
cancels some of them; ``evidence`` reads the database, the chain's ledger and the wallet;
``collector`` puts all of it together around a run, as ``records``; and ``rules`` with
``cancel_rules``, which are pure, cross-check them.
"""
