"""The report as a page: one HTML file that needs nothing else and opens from disk.

`page` puts a report together, `index` a run. A page is made of `blocks`: `sections` turn facts into
tables, texts and plots, `plots` turn figures into Vega-Lite, and `document` makes HTML of them with
Jinja2's escaping, so that text from models and data stays text.
"""
