"""Reports: HTML pages about runs, their plots, and contact sheets of answers."""
