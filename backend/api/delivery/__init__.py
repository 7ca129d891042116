"""Delivery of events from the feed to sockets: one feed reader, one outgoing queue per socket."""
