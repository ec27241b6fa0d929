"""Files over HTTP, beside GraphQL: rows to download, with the same callers, rights, filters and codes."""
