"""Translation: engines (a table), structure that must survive, filters, shards."""
