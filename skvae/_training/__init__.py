"""One fit: batches, optimizers, the training loop, and what an estimator keeps."""
