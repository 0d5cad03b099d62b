"""What the training loop uses beside the network: losses, the step, in parts, and snapshots of its state."""
