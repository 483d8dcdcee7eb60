"""A plan in the words of the tools that provision it. Formats only: every number is the plan's own."""
