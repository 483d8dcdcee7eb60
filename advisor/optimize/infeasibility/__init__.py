"""Why no fleet exists, and what would have to give."""
