#!/usr/bin/env bash
# Runs a command while this process leads, with nothing but curl: takes the lease, renews it, stops in time, gives it back.
#
#   LESSOR_URL=http://127.0.0.1:8787 LESSOR_TOKEN=... ./curl.sh KEY COMMAND...
#
# The command finds its term in LESSOR_TERM: it sends that along with each write, and the resource refuses older ones.
set -euo pipefail
key=$1
shift
ttl_ms=${LESSOR_TTL_MS:-30000} id=${LESSOR_ID:-$(hostname)-$$}
session=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# In ms, by a clock that nobody sets.
now_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# The body of an answer with status 200. Any other answer, or none, leaves open what happened.
post() { # operation, body, how long it may take in ms
  curl --silent --fail --max-time "$(awk "BEGIN { print ($3 > 1 ? $3 : 1) / 1000 }")" -H "Authorization: Bearer $LESSOR_TOKEN" -H 'Content-Type: application/json' \
    --data "$2" "$LESSOR_URL/v1/keys/$key/$1" || true
}

# The first number of this name.
number() { sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" <<<"$1"; }

claim="\"id\":\"$id\",\"session\":\"$session\",\"ttl_ms\":$ttl_ms"
after=null
while true; do
  # The lease counts from before the request was sent.
  asked=$(now_ms)
  answer=$(post acquire "{$claim,\"after\":$after}" $((ttl_ms / 3)))
  case $answer in
    '{"granted"'*) break ;;
    '{"refused"'*)
      # The newest term that is known is always sent.
      term=$(number "$answer" term)
      after=${term:-$after}
      ;;
  esac
  sleep "$(awk "BEGIN { print $ttl_ms / 3000 * (0.5 + rand()) }")"
done
term=$(number "$answer" term)
# A tenth of the ttl is left for clocks that do not run alike.
deadline=$((asked + ttl_ms * 9 / 10))

LESSOR_TERM=$term "$@" &
command=$!
trap 'kill "$command" 2>/dev/null || true' EXIT
status=lost
while true; do
  sleep "$(awk "BEGIN { print $ttl_ms / 10000 }")"
  if ! kill -0 "$command" 2>/dev/null; then
    status=done
    break
  fi
  # Whoever cannot renew in time stops by itself: nobody has to tell it.
  [ "$(now_ms)" -lt "$deadline" ] || break
  if [ "$(now_ms)" -ge $((deadline - ttl_ms * 6 / 10)) ]; then
    asked=$(now_ms)
    # It waits for no answer that comes too late.
    answer=$(post renew "{$claim,\"term\":$term}" $(((deadline - asked) / 2)))
    case $answer in
      '{"extended"'*) deadline=$((asked + ttl_ms * 9 / 10)) ;;
      '{"lost"'*) break ;;
    esac
  fi
done
if [ "$status" = lost ]; then
  echo "the term $term is over" >&2
  kill -KILL "$command" 2>/dev/null || true
  exit 75
fi
code=0
wait "$command" || code=$?
post release "{\"session\":\"$session\"}" $((ttl_ms / 3)) >/dev/null
exit "$code"
