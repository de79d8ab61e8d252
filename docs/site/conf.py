"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import checking  # noqa: E402 -- it is beside this file
from collecting import Site  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402
from sphinx.util import logging  # noqa: E402

project = "Chancy"
author = "The authors of Chancy"
copyright = author  # noqa: A001 -- the name that Sphinx asks for
version = release = version_of("chancy-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docstrings",
]
source_suffix = {".md": "markdown"}
# Anchors are those of GitHub, so that a link is right in both places.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "html_image"]
# A block that names no language is what somebody types, or sees; the default would colour it as Python.
highlight_language = "text"
# How code is coloured breaks no build: a fragment with an ellipsis is not quite Python.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
toc_object_entries = False

html_theme = "furo"
html_title = "Chancy"
html_logo = html_favicon = str(ROOT / "plugins/dashboard/src/chancy_dashboard/assets/mark.svg")
html_static_path = ["static"]
html_css_files = ["chancy.css"]
html_js_files = ["search.js", "chancy.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_domain_indices = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_prompt_text = "$ "
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
# The colours of the dashboard; its other looks are in the style sheet.
FONTS = {
    "font-stack": 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
    "font-stack--headings": "var(--font-stack)",
    "font-stack--monospace": 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Noto Sans Mono", monospace',
}
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        **FONTS,
        "color-brand-primary": "#2c51c7",
        "color-brand-content": "#2c51c7",
        "color-brand-visited": "#2c51c7",
        "color-background-primary": "#ffffff",
        "color-background-secondary": "#f6f6f3",
        "color-background-border": "#e4e4de",
        "color-foreground-primary": "#1a1b1f",
        "color-foreground-secondary": "#575a62",
        "color-foreground-muted": "#62656d",
        "color-code-background": "#f6f6f3",
        "color-inline-code-background": "#f2f2ee",
        "color-highlight-on-target": "#ebeffb",
    },
    "dark_css_variables": {
        **FONTS,
        "color-brand-primary": "#93abff",
        "color-brand-content": "#93abff",
        "color-brand-visited": "#93abff",
        "color-background-primary": "#16181c",
        "color-background-secondary": "#0f1013",
        "color-background-border": "#2a2d34",
        "color-foreground-primary": "#e8e9ec",
        "color-foreground-secondary": "#a6abb5",
        "color-foreground-muted": "#9a9faa",
        "color-code-background": "#1d2025",
        "color-inline-code-background": "#1f2228",
        "color-highlight-on-target": "#1f2742",
    },
}


def collect(app: Sphinx, _config: Any) -> None:
    """Lay out the pages before Sphinx looks for them."""
    Site(Path(app.srcdir)).collect()


def check(app: Sphinx, exception: Exception | None) -> None:
    """Look at every link of the finished pages; a bad one is a warning, which `make docs` takes for an error."""
    if exception is None and app.builder.name == "html":
        for fault in checking.faults(Path(app.outdir)):
            logging.getLogger(__name__).warning("%s", fault)


def shorten(_app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Give every page but the first a list at the left in which only its own section is open.

    The whole list on each page was most of what a build cost, and of what a browser had to read.
    """
    if page != "index" and "toctree" in context:
        whole = context["toctree"]
        context["toctree"] = lambda **wanted: whole(**{**wanted, "collapse": True})


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("config-inited", collect)
    # Before the theme, which asks for the list at the usual priority.
    app.connect("html-page-context", shorten, priority=400)
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
