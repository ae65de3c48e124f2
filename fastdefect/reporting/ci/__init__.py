"""Results of checks for the systems that run pipelines: JUnit files and annotations."""
