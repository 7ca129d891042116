"""The trials of wallets: funds that do not suffice, rates of several, costs, and landing in time.

``system`` runs an engine whose wallets are files, the modules ``…_run`` are the trials, ``command``
reports them.
"""
