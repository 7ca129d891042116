"""Orders that are being prepared: the fields of the form, what they mean, and the orders of it."""
