"""The report in Markdown, part by part."""
