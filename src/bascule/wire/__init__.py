"""What bytes mean: pure functions and small sans-IO machines, without asyncio and without h11."""
