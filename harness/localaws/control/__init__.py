"""Control of the local AWS from outside: its API, faults to inject, and the log of calls."""
