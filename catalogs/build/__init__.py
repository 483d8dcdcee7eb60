"""Maintainers' script: makes everything under ``catalogs/`` from collected source files.

Run from a checkout: ``python -m catalogs.build --from DIR``. Not part of the installed package.
"""
