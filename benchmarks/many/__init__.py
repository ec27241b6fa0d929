"""Fifty data products over one table, for the pages that list them all."""
