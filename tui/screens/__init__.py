"""What fills the terminal, or stands before it: the dashboard itself and its dialogs."""
