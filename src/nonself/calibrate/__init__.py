"""Score -> p-value -> surprise in bits, in one place, and the budget of incidents."""
