"""Pictures in pages."""

import base64

from django import template

register = template.Library()


@register.filter
def data_url(svg: str) -> str:
    """An SVG document as the address of an image."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
