"""What orders take from wallets: reservations, budgets of processes, and who the wallets are."""
