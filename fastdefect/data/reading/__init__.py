"""From files, folders and CSVs to photos that can be read, with their labels."""
