"""The trace of single orders: what each waits for between its POST and its last event."""
