"""Configuration of Sphinx for the documentation site; `make docs` builds it."""

import os
import sys
from importlib.metadata import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

_METADATA = metadata("sorrel-recurrent-ppo")
_URLS = dict(entry.split(", ", 1) for entry in _METADATA.get_all("Project-URL", []))

project = "sorrel_recurrent_ppo"
author = "The sorrel_recurrent_ppo maintainers"
copyright = f"2026, {author}"
release = _METADATA["Version"]

extensions = [
    "generated_pages",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "type_names",
]
exclude_patterns = ["_build", "_ext", "_static", "**.ipynb_checkpoints"]
source_suffix = {".md": "myst-nb"}
nitpicky = True
nitpick_ignore = [("py:class", "ActionSpec")]  # not in Sorrel's documentation

# --- Markdown and notebooks ---

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"  # executes a notebook only after a change of its code
nb_execution_timeout = 120  # seconds of a cell
nb_execution_raise_on_error = True
nb_merge_streams = True
# Notebooks run the commands that are installed beside this Python.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))

# --- the API from docstrings ---

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autoclass_content = "both"
default_role = "autolink"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# --- links to other projects: the local copies serve where there is no network ---

intersphinx_mapping = {
    name: (url, (None, str(Path(__file__).parent / "inventories" / f"{name}.inv")))
    for name, url in {
        "python": "https://docs.python.org/3/",
        "numpy": "https://numpy.org/doc/stable/",
        "torch": "https://docs.pytorch.org/docs/stable/",
        "sorrel": "https://sorrel.readthedocs.io/en/latest/",
    }.items()
}
intersphinx_timeout = 5

# --- HTML ---

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "source_repository": _URLS["Repository"],
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_exclude = ".linenos, .gp, .go"
