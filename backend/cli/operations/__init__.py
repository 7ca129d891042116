"""Commands for operators: what is there, what is wrong, who may do what."""
