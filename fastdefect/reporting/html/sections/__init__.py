"""The sections of the report of a run, one function each: from the facts to blocks."""
