"""Exchanges and the objects that a handler holds: requests, responses, exceptions, forms."""
