"""Composition root: opens all services that a process needs, and closes them in reverse order.

The only package that knows all components. It reads their settings, and injects the impure
dependencies that the domain code must not access itself: clock, randomness and ids. A process
imports the module that it needs, as those of the others take time to import.
"""
