"""What a process has of the machine: memory and file descriptors."""
