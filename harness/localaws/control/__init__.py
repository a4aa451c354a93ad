"""Control of the local AWS from outside: its API, injected faults, and the log of calls."""
