"""What each template gets: one documented dataclass per page, tested against the names that it uses."""
