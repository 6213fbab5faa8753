"""The pipeline language: text and YAML to graphs, and back."""

from __future__ import annotations

from imgtk.language.bind import SAVE_SPEC
from imgtk.language.document import dump_yaml, load_yaml
from imgtk.language.graph import INPUT, SAVE, Graph, Node
from imgtk.language.parser import parse
from imgtk.language.text import stage_lines, to_text

__all__ = ["INPUT", "SAVE", "SAVE_SPEC", "Graph", "Node", "dump_yaml", "load_yaml", "parse", "stage_lines", "to_text"]
