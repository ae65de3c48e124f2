"""Networks, and their training from batches to saved weights."""
