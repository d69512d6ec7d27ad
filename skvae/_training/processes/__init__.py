"""The processes that share one fit: what each has of it, and what they exchange."""
