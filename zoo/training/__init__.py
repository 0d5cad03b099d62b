"""What the training loop uses beside the network: its step, and snapshots of its state."""
