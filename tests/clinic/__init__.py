"""Products for the tests: aggregates over two to-many tables, an event time, every kind of column."""
