"""Built-in provider adapters, one per module, each registered under ``advisor.providers`` in pyproject.toml.

Modules whose name begins with an underscore are shared by them: HTTP access and the reading of payload
fields. Adapters never import each other, and ``advisor`` never imports this package.
"""
