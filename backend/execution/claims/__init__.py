"""How a worker gets orders: by claims, each with a lease that it keeps."""
