"""The documentation: pages, what generates the reference, and what checks both."""
