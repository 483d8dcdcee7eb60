"""What to commit for a long time, and what to rent by the hour on top."""
