"""A product with ten columns of mixed kinds in one table of any number of rows."""
