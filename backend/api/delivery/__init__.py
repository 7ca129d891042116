"""How events get from the feed to sockets: one feed reader, one bounded send buffer a socket."""
