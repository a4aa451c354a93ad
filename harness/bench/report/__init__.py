"""Report of results: charts as data, drawn on a page and as pictures."""
