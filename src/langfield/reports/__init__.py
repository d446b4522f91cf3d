"""Pages, plots and sheets about runs and evaluations."""
