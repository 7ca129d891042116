"""Bundles: transactions sent to an endpoint that pays validators a tip to include them.

``endpoint`` speaks its JSON-RPC, ``tips`` knows its tip accounts, ``sender`` sends to it and to
the nodes.
"""
