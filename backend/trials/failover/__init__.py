"""Trials of stores that change over: promoted standbys, restored backups, other primaries."""
