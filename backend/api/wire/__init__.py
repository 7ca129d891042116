"""The wire format: requests, responses, problems, cursors and JSON."""
