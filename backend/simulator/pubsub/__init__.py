"""The PubSub API of the node: subscriptions over WebSockets, and their notifications."""
