"""What is drawn: widgets that turn lines and rows into cells of the terminal."""
