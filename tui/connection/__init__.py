"""The connection to the API: HTTP client, event feed, recordings and sending orders."""
