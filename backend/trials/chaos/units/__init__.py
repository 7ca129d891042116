"""Single processes of the engine under test."""
