"""The table of orders without the terminal: its columns, its rows and the cursor."""
