"""What the training loop uses beside the network: losses, steps in parts, snapshots of its state."""
