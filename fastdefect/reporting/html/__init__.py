"""One self-contained HTML file for people: pages, their blocks, charts and thumbnails."""
