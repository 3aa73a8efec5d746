"""The plots of the pages, as Vega-Lite by altair. Altair is imported inside: it takes a second."""
