"""The parts of drift: results of predict as samples."""
