"""The same scenarios on every exchange, in both position modes, in this process and over real sockets."""
