"""The operator's side: the `parterre` command, demo data, the demo, generated diagrams."""
