"""The parts of ``submit_batch.py``: reading, checking, placing and reporting orders."""
