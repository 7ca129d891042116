"""Trials of stores that fail: promoted standbys, restored backups, disks that lose power."""
