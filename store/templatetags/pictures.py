"""Pictures in pages."""

import base64

from django import template

register = template.Library()


@register.filter
def data_url(svg: str) -> str:
    """Encode an SVG document as a data URL."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
