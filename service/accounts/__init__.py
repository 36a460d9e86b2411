"""Who asks, and what they may: keys of tools, users, their sessions."""
