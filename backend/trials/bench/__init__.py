"""The benchmark: runs the engine as real processes and measures rates and delays from outside.

``figures`` and ``order_bodies`` are pure. ``system`` starts the processes, ``load_client`` posts
orders, ``listeners`` follows their events, ``trials.process_usage`` reads what the processes use,
``verification`` reads the database and the node's ledger. ``bench_run`` combines these for one run,
``tracing`` makes the waterfall of single orders,
``modes`` defines what each mode runs, and ``benchmark`` repeats the modes and reports. Every run
verifies that no order was lost.
"""
