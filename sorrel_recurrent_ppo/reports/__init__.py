"""Looking at runs afterwards: what ``compare``, ``evaluate`` and ``inspect`` do."""
