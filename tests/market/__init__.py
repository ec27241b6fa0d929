"""A market: customers with orders, tags and a profile, as the tests of what a Join can say need them."""
