"""A product of ten mixed columns in one table, of as many rows as a benchmark wants."""
