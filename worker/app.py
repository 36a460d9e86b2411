"""The Celery application (filled by the queue's commit)."""
