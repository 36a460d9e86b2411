"""How the API deals with those who ask, each in one place: repeated requests, versions, rates, time."""
