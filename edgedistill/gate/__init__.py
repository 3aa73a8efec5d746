"""From a report and a budget to a verdict. Pure, quick to start, and closed by default."""
