"""The app of processes: its commands, and the pages that are nobody's else."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "project"
