"""Objects of skvae as one file of tensors and JSON, which holds no code."""
