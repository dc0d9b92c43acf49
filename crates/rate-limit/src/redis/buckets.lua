-- Draws from several buckets, or from none. The same arithmetic as bucket.rs, in microseconds of this
-- server's own clock; a bucket's value is when it will be full, and it vanishes when it is.
-- KEYS: the buckets. ARGV: for each how long it takes to fill, and how long for what is drawn to come.
-- Answers for each: what it lacks, and how long to wait (0: it had enough).
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before, answer, allowed = {}, {}, true
for i, key in ipairs(KEYS) do
    local span, drawn = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local full_at = tonumber(redis.call('GET', key) or now) or now
    before[i] = math.min(math.max(full_at, now), now + span)
    local wait = math.max(before[i] + drawn - now - span, 0)
    allowed = allowed and wait == 0
    answer[2 * i - 1] = before[i] - now
    answer[2 * i] = wait
end
if allowed then
    for i, key in ipairs(KEYS) do
        local after = before[i] + tonumber(ARGV[2 * i])
        answer[2 * i - 1] = after - now
        if after > now then
            redis.call('SET', key, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
        end
    end
end
return answer
