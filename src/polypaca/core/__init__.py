"""Records, languages, manifests, errors: light imports only."""
