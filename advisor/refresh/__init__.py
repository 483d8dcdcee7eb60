"""Refresh: ask providers, merge what they say into the last snapshot, gate it, publish it."""
