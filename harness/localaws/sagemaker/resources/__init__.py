"""Resources of the control plane: one module for each kind, with its state and its operations."""
