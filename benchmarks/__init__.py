"""What reconcile costs, side by side with what people use instead, and with the floor under both."""
