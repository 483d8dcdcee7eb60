"""Finding the cheapest fleet: one module per way of searching."""
