"""What stops executions: trading states that hold orders, and the breaker that sets one."""
