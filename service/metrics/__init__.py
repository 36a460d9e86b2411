"""Prometheus metrics: requests of this process, and what the rows say about runs, queues and samples."""
