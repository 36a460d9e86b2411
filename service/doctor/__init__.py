"""Is this installation well, and what would make it so?"""
