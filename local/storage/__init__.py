"""The blob service: containers and block blobs, as plain files on disk."""
