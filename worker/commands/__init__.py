"""Commands that need torch and no server; torch is imported only when one of them computes."""
