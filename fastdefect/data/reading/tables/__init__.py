"""Tables of photos, as written by people, Excel and other programs."""
