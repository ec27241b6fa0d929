"""Filters of the pages about quality: metrics, and what was left out, as people read them."""

from django import template

from .. import wording

register = template.Library()

register.filter("metric_title", wording.metric_title)
register.filter("write_metrics", wording.write_metrics)
