"""An evaluation as one HTML page (page.py) that a person reads without us."""
