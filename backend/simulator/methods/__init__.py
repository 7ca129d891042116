"""The JSON-RPC methods of the node, grouped by subject."""
