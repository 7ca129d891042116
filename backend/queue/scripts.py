"""The Lua scripts of the queue. Redis runs each as a whole, so nothing comes between its steps.

Entries are deleted when they are acknowledged, so what the stream holds is what waits: entries that
no worker has received, and entries that one has received and not started (pending).
"""

from __future__ import annotations

from typing import Final

ADD_JOBS: Final = """
-- KEYS: stream. ARGV: group, a channel and a message to publish on it, or '' and '', then a job and
-- its owner for each entry. A stream that is new or was lost gets its group first, at 0. Returns
-- why the message was not published: the jobs are there all the same.
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
end
for i = 4, #ARGV, 2 do
    redis.call('XADD', KEYS[1], '*', 'data', ARGV[i], 'owner', ARGV[i + 1])
end
if ARGV[2] ~= '' then
    local reply = redis.pcall('PUBLISH', ARGV[2], ARGV[3])
    if type(reply) == 'table' then return reply.err end
end
"""
"""One call for all jobs: a pipeline of as many commands costs a client several times more."""

TIDY: Final = """
-- KEYS: stream. ARGV: group, idle ms after which a consumer is gone.
-- Returns what waits, how long in ms the next to be received has waited, consumers removed,
-- entries removed.
local stream, group = KEYS[1], ARGV[1]
local function pairs_of(flat)
    local fields = {}
    for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
    return fields
end
if redis.call('EXISTS', stream) == 0 then return {0, 0, 0, 0} end
local last
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local fields = pairs_of(flat)
    if fields['name'] == group then last = fields['last-delivered-id'] end
end
if not last then
    redis.call('XGROUP', 'CREATE', stream, group, '0')
    last = '0-0'
end
-- A pending entry whose job was deleted can never be acknowledged by who has it.
local pending = redis.call('XPENDING', stream, group)
for _ = 1, 1000 do
    if pending[1] == 0 or #redis.call('XRANGE', stream, pending[2], pending[2]) > 0 then break end
    redis.call('XACK', stream, group, pending[2])
    pending = redis.call('XPENDING', stream, group)
end
-- What was passed over by the group and is not pending will never be read.
local removed
if pending[1] > 0 then
    removed = redis.call('XTRIM', stream, 'MINID', '=', pending[2])
else
    removed = redis.call('XTRIM', stream, 'MINID', '=', last)
    removed = removed + redis.call('XDEL', stream, last)
end
-- Only without pending entries: those would go with their consumer. XAUTOCLAIM moves them before.
local consumers = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local fields = pairs_of(flat)
    if fields['pending'] == 0 and fields['idle'] > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, fields['name'])
        consumers = consumers + 1
    end
end
local age = 0
local oldest = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
if oldest then
    local now = redis.call('TIME')
    local ms = now[1] * 1000 + math.floor(now[2] / 1000)
    age = math.max(ms - tonumber(string.match(oldest[1], '^%d+')), 0)
end
return {redis.call('XLEN', stream), age, consumers, removed}
"""

LEAVE: Final = """
-- KEYS: stream. ARGV: group, consumer. Its pending entries become new ones, for the others.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
if redis.call('EXISTS', stream) == 0 then return 0 end
local pending = redis.call('XPENDING', stream, group, '-', '+', 10000, consumer)
for _, row in ipairs(pending) do
    local entry = redis.call('XRANGE', stream, row[1], row[1])[1]
    if entry then redis.call('XADD', stream, '*', unpack(entry[2])) end
    redis.call('XACK', stream, group, row[1])
    redis.call('XDEL', stream, row[1])
end
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return #pending
"""
