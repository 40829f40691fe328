"""The journal as files of one home: store, writer, lock, disk."""
