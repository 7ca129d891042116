"""What single modes of the benchmark measure, besides what every run does."""
