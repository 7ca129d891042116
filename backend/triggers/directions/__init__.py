"""The directions of trade in which orders wait, and which are judged when."""
