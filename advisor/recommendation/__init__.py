"""The main use case: from a request and the catalog to a plan."""
