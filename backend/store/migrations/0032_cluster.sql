-- The cluster whose orders this database has; NULL until a process has started on one.
ALTER TABLE journal ADD COLUMN IF NOT EXISTS cluster text;
