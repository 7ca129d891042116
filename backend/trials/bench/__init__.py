"""The benchmark: the whole engine as real processes, its rates and delays measured from outside.

``figures`` and ``orders`` are pure. ``system`` starts the processes, ``client`` posts orders and
``sockets`` follow them, ``usage`` reads what the processes cost, ``facts`` what the database and
the node's ledger hold. ``rig`` puts these together for one run, ``modes`` say what is run, and
``run`` repeats it. Every run checks that nothing was lost.
"""
