"""HTTP as every adapter needs it: wire, transport, rate limits, exchange time, retried reads, answers."""
