"""Write the schema as SDL: the contract of the declared products."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand

from ...schema import schema


class Command(BaseCommand):
    help = "Writes the schema of the declared products as SDL, to the standard output or to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--path", type=Path, help="file to write; default: the standard output")

    def handle(self, *, path: Path | None, **options: object) -> None:
        sdl = schema.as_str()
        if path is None:
            self.stdout.write(sdl)
        else:
            path.write_text(sdl)
