"""Views of a report (JSON, which is the truth; Markdown; a terminal table) and a run's progress."""
