"""GraphQL: `schema`, composed from the fixed types and the declared products."""
