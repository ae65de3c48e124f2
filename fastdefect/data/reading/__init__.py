"""Read files, folders and CSVs into readable photos with labels."""
