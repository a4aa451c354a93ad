"""Clean-up: names and a ledger of all that a run creates, and whatever deletes it: the run, a reaper, a sweep."""
