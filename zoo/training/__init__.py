"""What the training loop uses beside the network: snapshots of its state."""
