"""Command that gives the feedback of files."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from learning.exceptions import ExemplarError
from store.access.actors import Actor
from store.ingest import feedback_files
from store.ingest.feedback_files import FeedbackSummary
from store.ingest.files import sniff_all
from store.ingest.progress import show_progress
from store.predictions import policies
from store.products import catalogue
from store.products.system_checks import OF_PRODUCTS

from .ingest import add_file_arguments, run_interruptibly


class Command(BaseCommand):
    help = (
        "Give the feedback of files in an author's name, all or nothing; the same file twice changes nothing. A file "
        "has a column entity or reference, and label; it may have observed_at and comment."
    )
    requires_system_checks = OF_PRODUCTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, as ingest reads them")
        parser.add_argument("--author", required=True, help="in whose name it is given, as a user's")
        parser.add_argument(
            "--max-rejects",
            type=int,
            default=0,
            metavar="N",
            help="give the other rows where at most N do not fit",
        )
        parser.add_argument(
            "--rejects", type=Path, metavar="FILE", help="the file that lists rows which do not fit"
        )
        add_file_arguments(parser)

    def handle(
        self,
        *,
        product: str,
        files: list[Path],
        author: str,
        max_rejects: int,
        rejects: Path | None,
        sheet: list[str],
        no_header: bool,
        day_first: bool | None,
        **options: object,
    ) -> None:
        try:
            declared = catalogue.get(product)
            policies.insert_missing([declared])
            name = Actor(author="", superuser=True).author_for(author)
            with show_progress(sys.stderr.isatty()) as progress:
                summary = run_interruptibly(
                    lambda: feedback_files.load(
                        declared,
                        files,
                        name,
                        layouts=sniff_all(files, sheet, no_header=no_header),
                        max_rejects=max_rejects,
                        day_first=day_first,
                        progress=progress,
                        rejects=rejects,
                    )
                )
        except (ExemplarError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: nothing was given.") from None
        self.print_summary(summary)

    def print_summary(self, summary: FeedbackSummary) -> None:
        rejects = f" (see {summary.rejects_file})" if summary.rejects_file else ""
        self.stdout.write(
            f"{summary.stored:,} given, {summary.unchanged:,} unchanged, {summary.rejected:,} rejected{rejects}; "
            f"{summary.labels:,} labels changed."
        )
        if summary.not_written:
            self.stdout.write(
                f"The label column of {summary.not_written:,} rows may not be written; what was said of them counts "
                "all the same."
            )
        if summary.new_columns:
            self.stdout.write(f"Not read: {', '.join(summary.new_columns)}.")
