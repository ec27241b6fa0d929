"""Command that checks a deploy before it happens."""

from argparse import ArgumentParser
from collections.abc import Sequence

from django.core.management.base import BaseCommand, CommandError

from project.preflight import check_deploy
from store.registry.deploy_checks import PARTS, DeployFinding


class Command(BaseCommand):
    """Print what this code would break, and fail if it breaks anything."""

    help = (
        "Says, with new code against the running database, what a deploy would break: champions that this code cannot "
        "serve, migrations that are missing or not applied, and changes of the schema that was served last. Changes "
        "nothing. The exit status is 1 if something would stop working."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--allow",
            action="append",
            choices=PARTS,
            default=[],
            help="report what breaks in this part, and do not fail for it; may be repeated",
        )

    def handle(self, *, allow: Sequence[str], **options: object) -> None:
        findings = list(check_deploy())
        for finding in sorted(findings, key=lambda finding: not finding.breaks):
            self.stdout.write(
                f"{'BREAKS' if finding.breaks else 'note':6}  {finding.part:10}  {finding.text}"
            )
        breaking = [finding for finding in findings if finding.breaks]
        if any(finding.part not in allow for finding in breaking):
            raise CommandError(summarise(breaking, allow))
        self.stdout.write(summarise(breaking, allow))


def summarise(breaking: Sequence[DeployFinding], allow: Sequence[str]) -> str:
    """Say how many findings break something."""
    if not breaking:
        return "Nothing would stop working."
    allowed = sum(finding.part in allow for finding in breaking)
    number = f"{len(breaking)} of the findings would break something{f', {allowed} of them allowed' if allowed else ''}"
    return f"{number}. Undo them, or deploy with --allow once clients and people are ready."
