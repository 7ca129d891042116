"""Text formatting: numbers and times for fixed columns, and the symbols of statuses."""
