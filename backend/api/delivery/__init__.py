"""Delivery of events from the feed to sockets: one feed reader, one send buffer per socket."""
