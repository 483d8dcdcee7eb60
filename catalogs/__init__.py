"""Data the advisor ships: the price snapshot and the facts beside it."""
