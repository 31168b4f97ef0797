"""The study file: schema, loading, and the grid of cells and systems that it describes."""

from polypaca.study.grid import Cell, Mixture, System, cells, mixtures, systems
from polypaca.study.load import load_study
from polypaca.study.schema import Study

__all__ = ["Cell", "Mixture", "Study", "System", "cells", "load_study", "mixtures", "systems"]
