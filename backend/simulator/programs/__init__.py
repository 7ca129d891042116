"""The programs that the simulated chain runs, one file each, with their real error codes."""
