"""What the four parts share: errors, settings, references, the catalog and the cloud session."""
