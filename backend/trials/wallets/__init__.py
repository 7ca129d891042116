"""The trials of wallets: many orders at once on one that cannot pay for all, and rates of several.

``system`` runs an engine whose wallets are files, ``funds_run`` and ``rate_run`` are the trials,
``command`` reports them.
"""
