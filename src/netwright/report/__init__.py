"""Reports that people look at: charts and self-contained HTML pages."""
