"""Text of the dashboard: numbers and times in fixed columns, and the symbols of statuses."""
