"""The client of Redis, and what its errors mean."""
