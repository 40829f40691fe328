"""The journal in PostgreSQL, shared by several runners: store, session, schema, URL."""
