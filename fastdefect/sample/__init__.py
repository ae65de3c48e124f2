"""The bundled sample: photos of a machined casting, rendered."""
