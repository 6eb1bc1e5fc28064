#!/bin/sh
# kcat.sh BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, 1 and what failed, or 3 when
# kcat has no such feature. Topics are created by asking for them.
set -eu
bootstrap=$1 feature=$3 topic=$4

fail() {
    echo "$1" >&2
    exit 1
}

produce() { timeout 60 kcat -q -b "$bootstrap" -P -t "$topic" "$@"; }
consume() { timeout 60 kcat -q -b "$bootstrap" -C -t "$topic" -e "$@"; }

case $feature in
version)
    kcat -V | sed -n 's/^Version \([^ ]*\).*librdkafka \([^ ]*\).*/\1 (librdkafka \2)/p'
    ;;
codecs)
    for codec in none gzip snappy lz4 zstd; do
        echo "with $codec" | produce -p 0 -z "$codec"
    done
    found=$(consume -p 0 -o beginning)
    expected=$(printf 'with %s\n' none gzip snappy lz4 zstd)
    [ "$found" = "$expected" ] || fail "read: $found"
    # librdkafka that misses a version in ApiVersions sends records as they are, and does not say so
    head -c 100000 /dev/zero | tr '\0' x >"/tmp/$topic"
    for codec in gzip snappy lz4 zstd; do
        produce -p 0 -z "$codec" "/tmp/$topic"
    done
    rm "/tmp/$topic"
    # of all replicas: one may not have copied yet
    largest=$(find "$DATA_DIR" -path "*/$topic-0/*.log" -exec wc -c {} \; | sort -n | tail -1 | cut -d' ' -f1)
    [ "$largest" -gt 400 ] && [ "$largest" -lt 100000 ] || fail "what was to be compressed is not: $largest bytes"
    echo "5 codecs"
    ;;
records)
    printf 'key:value\n' | produce -p 0 -K: -H one=1 -H two=2
    found=$(consume -p 0 -o beginning -f '%k|%s|%h|%o\n')
    [ "$found" = 'key|value|one=1,two=2|0' ] || fail "read: $found"
    found=$(timeout 60 kcat -b "$bootstrap" -Q -t "$topic:0:1")
    [ "$found" = "$topic [0] offset 0" ] || fail "offset by timestamp: $found"
    echo "keys, headers, offset by timestamp"
    ;;
groups)
    printf 'a\nb\nc\n' | produce -p 0
    found=$(timeout 60 kcat -q -b "$bootstrap" -G "group-$topic" -c 3 \
        -X auto.offset.reset=earliest "$topic" 2>/dev/null)
    [ "$found" = "$(printf 'a\nb\nc')" ] || fail "read: $found"
    printf 'd\n' | produce -p 0
    found=$(timeout 60 kcat -q -b "$bootstrap" -G "group-$topic" -c 1 \
        -X auto.offset.reset=earliest "$topic" 2>/dev/null)
    [ "$found" = d ] || fail "the next member read: $found"
    echo "a member after the other, positions"
    ;;
large)
    head -c 900000 /dev/zero | tr '\0' x >"/tmp/$topic"
    produce -p 0 "/tmp/$topic"
    rm "/tmp/$topic"
    found=$(consume -p 0 -o beginning -f '%S\n')
    [ "$found" = 900000 ] || fail "read a record of $found bytes"
    echo "900 kB"
    ;;
*)
    exit 3
    ;;
esac
