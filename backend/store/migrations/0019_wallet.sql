-- The address of the wallet that workers sign with, as the worker that started last has told it: API
-- processes, which need no key, read what it holds for orders that sell a share of that.
ALTER TABLE journal ADD COLUMN IF NOT EXISTS wallet text;
