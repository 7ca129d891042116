"""The connection to the API: HTTP calls, the event feed, recordings and sending orders."""
