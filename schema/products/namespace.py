"""The namespace of the types that are made at start-up: lazily typed fields find each other here."""
