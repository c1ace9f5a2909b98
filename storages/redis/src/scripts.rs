//! The scripts. The crate's documentation shows them, and says why they are safe.

use lessor::storage::Operation;
use redis::Script as Hashed;

/// What each script begins with: the clock, everything that is stored, and whether the marker is this server's.
const LOOK: &str = r"local run, longest, durable, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('MGET', unpack(KEYS))
local server, epoch, thaw = string.match(stored[1] or '', '^([^\n]*)\n(%d+)\n(%d+)$')
local lost = not server or (server ~= run and not durable)
local fields = '^(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%x*)(\n.*)$'
local answers = {}
";

/// Nothing is granted or renewed while it lasts.
const FREEZE: &str = r"local frozen = tonumber(thaw or 0)
if lost or frozen > now + longest then
    frozen = now + longest
    if lost then
        epoch = string.format('%.0f', math.max(now, (epoch or 0) + 1))
    end
    redis.call('SET', KEYS[1], string.format('%s\n%s\n%.0f', run, epoch, frozen))
end
if frozen > now then
    for i = 2, #KEYS do
        answers[i - 1] = {2, frozen - now}
    end
    return answers
end
";

const ACQUIRE: &str = r"for i = 2, #KEYS do
    local at = i * 4 - 3
    local after, takeover = tonumber(ARGV[at + 2]), ARGV[at + 3]
    local term, version, ttl, expires, since, made, session, rest = string.match(stored[i] or '0\n0\n0\n0\n0\n0\n\n', fields)
    local granted
    if term then
        term = tonumber(term)
        if made ~= epoch then
            session, expires = '', 0
        end
        local left = math.min(expires - now, ttl)
        local reserved = session == '' and expires - now > 0 and expires - now <= tonumber(ttl)
            and string.match(rest, '^\n[^\n]*') ~= string.match(ARGV[at], '\n[^\n]*')
        local mine, known = session == string.sub(ARGV[at], 1, 32), after >= term
        local following = math.max(term, after) + 1
        following = following < 9007199254740992 and math.max(following, now) or nil
        if mine and left > 0 then
            if known then granted = following else granted = term end
        elseif known and not reserved and (session == '' or mine
                or takeover == 'expired' and left <= 0
                or takeover == version and (left <= 0 or expires - now > tonumber(ttl))) then
            granted = following
        end
        if granted then
            local span = math.max(ARGV[at + 1], mine and left or 0)
            redis.call('SET', KEYS[i], string.format('%.0f\n%.0f\n%.0f\n%.0f\n%.0f\n%s\n',
                granted, version + 1, span, now + span, granted == term and since or now, epoch) .. ARGV[at])
            answers[i - 1] = {1, granted, version + 1}
            if channel ~= '' and granted ~= term then
                redis.pcall('PUBLISH', channel, KEYS[i])
            end
            if frozen > 0 then
                frozen = 0
                redis.call('SET', KEYS[1], server .. '\n' .. epoch .. '\n0')
            end
        end
    end
    if not granted then
        answers[i - 1] = {0, now, stored[i], made == epoch and 1 or 0}
    end
end
return answers
";

const RENEW: &str = r"for i = 2, #KEYS do
    local at = i * 3 - 1
    local term, version, ttl, expires, since, made, session = string.match(stored[i] or '', fields)
    local left = term and math.min(expires - now, ttl)
    if term == ARGV[at + 2] and made == epoch and session == string.sub(ARGV[at], 1, 32) and left > 0 then
        local span = math.max(ARGV[at + 1], left)
        redis.call('SET', KEYS[i], string.format('%s\n%.0f\n%.0f\n%.0f\n%s\n%s\n',
            term, version + 1, span, now + span, since, epoch) .. ARGV[at])
        answers[i - 1] = {1, version + 1}
    else
        answers[i - 1] = {0, now, stored[i], made == epoch and 1 or 0}
    end
end
return answers
";

const RELEASE: &str = r"for i = 2, #KEYS do
    local at = i * 3 - 1
    local term, version, ttl, _, since, made, session, rest = string.match(stored[i] or '', fields)
    if term and session == ARGV[at] then
        local expires = 0
        if ARGV[at + 1] ~= '' then
            rest = '\n' .. ARGV[at + 1] .. string.match(rest, '^\n[^\n]*(.*)$')
            ttl = ARGV[at + 2]
            expires = now + ttl
        end
        redis.call('SET', KEYS[i], string.format('%s\n%.0f\n%s\n%.0f\n%s\n%s\n',
            term, version + 1, ttl, expires, since, made) .. rest)
        if channel ~= '' then
            redis.pcall('PUBLISH', channel, KEYS[i])
        end
    end
    answers[i - 1] = {1}
end
return answers
";

const GET: &str = r"for i = 2, #KEYS do
    local _, _, _, _, _, made = string.match(stored[i] or '', fields)
    answers[i - 1] = {0, now, stored[i], (made == epoch and not lost) and 1 or 0}
end
return answers
";

const REVOKE: &str = r"for i = 2, #KEYS do
    local meant, nobody = ARGV[i * 2 + 1], string.rep('0', 32)
    local term, version, ttl, expires, _, made, session, rest = string.match(stored[i] or '', fields)
    local current = made == epoch and not lost
    local waits = ARGV[i * 2 + 2] == ''
    if current and session ~= '' and (meant == '0' or meant == term) and not (waits and session == nobody) then
        redis.call('SET', KEYS[i], string.format('%.0f\n%.0f\n%s\n%s\n%.0f\n%s\n',
            math.min(term + 1, 9007199254740991), version + 1, ttl, waits and expires or 0, now, made)
            .. (waits and nobody or '') .. rest)
        if channel ~= '' then
            redis.pcall('PUBLISH', channel, KEYS[i])
        end
    end
    answers[i - 1] = {0, now, stored[i], current and 1 or 0}
end
return answers
";

const INITIALISE: &str = r"epoch = string.format('%.0f', math.max(now, (epoch or 0) + 1))
redis.call('SET', KEYS[1], run .. '\n' .. epoch .. '\n0')
return answers
";

/// A script, and what the server calls it.
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) hash: String,
}

impl Script {
    fn new(text: String) -> Self {
        let hash = Hashed::new(&text).get_hash().into();
        Self { text, hash }
    }
}

/// All of them.
pub(crate) struct Scripts {
    pub(crate) acquire: Script,
    pub(crate) renew: Script,
    pub(crate) release: Script,
    pub(crate) get: Script,
    pub(crate) revoke: Script,
    pub(crate) initialise: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            acquire: Script::new(format!("{LOOK}{FREEZE}{ACQUIRE}")),
            renew: Script::new(format!("{LOOK}{FREEZE}{RENEW}")),
            release: Script::new(format!("{LOOK}{RELEASE}")),
            get: Script::new(format!("{LOOK}{GET}")),
            revoke: Script::new(format!("{LOOK}{REVOKE}")),
            initialise: Script::new(format!("{LOOK}{INITIALISE}")),
        }
    }

    /// The one of an operation that is about one key. `None`: this storage does not know it.
    pub(crate) const fn of(&self, operation: Operation) -> Option<&Script> {
        match operation {
            Operation::Acquire => Some(&self.acquire),
            Operation::Renew => Some(&self.renew),
            Operation::Release => Some(&self.release),
            Operation::Get => Some(&self.get),
            Operation::Revoke => Some(&self.revoke),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines = include_str!("lib.rs").lines().map_while(|line| line.strip_prefix("//!"));
        let documented: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        for shown in [LOOK, FREEZE, ACQUIRE, RENEW, RELEASE, REVOKE] {
            assert!(documented.contains(&format!("```lua\n{shown}```")), "{shown}");
        }
    }
}
