"""Checks of `./dev bench honesty`: what builds promise, beside what comes true where the truth is known."""
