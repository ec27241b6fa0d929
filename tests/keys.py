"""Keys of the tests, which are strong enough to be accepted."""

#: Environment variables with the keys that a process needs.
KEYS = {
    "EXEMPLAR_SIGNING_KEY": "tests-only:SsPHQXIW_fLqv5uYdT3z0nGk8RmEJwBcyo1DaU7e",
    "SECRET_KEY": "tests-only:Zk4bXo9_WcT7hLrMfQ1vYnE0uJgPd6sAiKy3RmBq8",
}
