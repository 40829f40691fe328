"""Machinery of simulated worlds: what the program runs on when its time, wire and disk are not real."""
