"""Several trainings on the same photos inside one run."""
