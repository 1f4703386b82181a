"""Sphinx extension: link types by the names under which their projects document them."""

from __future__ import annotations

from typing import Any

__all__ = ["DOCUMENTED_AS", "setup"]

DOCUMENTED_AS = {
    # The module that defines a class is not always the one that documents it.
    "numpy.random._generator.Generator": "numpy.random.Generator",
    "torch.optim.optimizer.Optimizer": "torch.optim.Optimizer",
    # Names that a module imports only for type checkers are not resolved by autodoc.
    "BaseModel": "sorrel.models.base_model.BaseModel",
    "ObservationSpec": "sorrel.observation.observation_spec.ObservationSpec",
}


def _rename_targets(app: Any, doctree: Any) -> None:
    from sphinx.addnodes import pending_xref

    for reference in doctree.findall(pending_xref):
        target = reference.get("reftarget")
        reference["reftarget"] = DOCUMENTED_AS.get(target, target)


def setup(app: Any) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("doctree-read", _rename_targets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
