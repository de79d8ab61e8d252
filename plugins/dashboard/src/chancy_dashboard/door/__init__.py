"""Who comes in, from where, what he may do, and what is not for his eyes."""
