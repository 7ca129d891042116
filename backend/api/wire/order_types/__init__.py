"""The fields of order types that are more than a price to wait for."""
