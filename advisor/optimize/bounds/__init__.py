"""Lower bounds on the cost of every fleet, from prices."""
