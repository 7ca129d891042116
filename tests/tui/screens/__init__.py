"""Tests of the dashboard's screens: dialogs, keys, states, and snapshots of whole frames."""
