"""The console: pages for people who write no GraphQL.

A page asks the API as every client does: its operations are the files of `documents/`, executed in this process for
the person who opened it, with the same permissions, errors and audit. Each page shows the operations that it ran.
"""
