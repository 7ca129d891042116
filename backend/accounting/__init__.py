"""What confirmed orders did to an owner's tokens: fills, positions and reports; pure."""
