"""The JSON-RPC methods of the node, by what they are about."""
