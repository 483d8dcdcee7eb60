"""Makes a problem smaller without changing its optimum."""
