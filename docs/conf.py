"""Sphinx's settings. It runs in .venv/docs, where nothing of the project can be imported."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

project = "Exemplar"
html_title = "Exemplar"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_favicon = "../project/static/project/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
# The pages are opened as files, where a browser lets no script fetch the text around a hit.
html_show_search_summary = False
html_theme_options: dict[str, list[str]] = {"footer_icons": [], "top_of_page_buttons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
exclude_patterns = ["_site"]
nitpicky = True

extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_links_external_new_tab = False


class InlineDrawings(SphinxPostTransform):
    """Put SVG drawings into the page, where they take the colours of its light or dark theme."""

    default_priority = 5
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        for image in list(self.document.findall(nodes.image)):
            if image["uri"].endswith(".svg") and "://" not in image["uri"]:
                svg = Path(self.app.srcdir, image["uri"]).read_text()
                image.replace_self(nodes.raw("", f'<div class="drawing">{svg}</div>', format="html"))


def leave_records_to_their_table(app: Sphinx, document: nodes.document) -> None:
    """Keep the records of decisions out of the navigation: each page would list all of them beside its text."""
    if re.match(r"adr/\d", app.env.docname):
        app.env.metadata[app.env.docname]["orphan"] = True


def setup(app: Sphinx) -> None:
    app.add_post_transform(InlineDrawings)
    app.connect("doctree-read", leave_records_to_their_table)
