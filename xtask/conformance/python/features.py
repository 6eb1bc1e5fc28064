"""What every Python client must do. A client is an adapter; the expectations are here."""

import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
LARGE_BYTES = 4 << 20
PARTITIONS = 10_000
WAIT_SECONDS = 40


class NotOffered(Exception):
    """The client has no such feature."""


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: {found!r:.300}, expected {expected!r:.300}")


def until(what, ask):
    """Asks until the answer is true; clients learn of changes late."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {WAIT_SECONDS} s")


def codecs(client, topic):
    """Produce and consume with every codec."""
    client.create(topic, 1)
    expected = []
    for codec in CODECS:
        values = [f"{codec}-{i}-".encode() + b"x" * 100 for i in range(50)]
        client.produce(topic, [(None, value, [], None) for value in values], compression=codec)
        expected += values
    found = [record[1] for record in client.consume(topic, len(expected))]
    equal(found, expected, "values")
    return f"{len(expected)} records, {len(CODECS)} codecs"


def records(client, topic):
    """Keys, nulls, headers and timestamps come back as they were."""
    client.create(topic, 1)
    sent = [
        (b"key", b"value", [("one", b"1"), ("two", b""), ("one", b"again")], 1_700_000_000_123),
        (None, b"no key", [], 1_700_000_000_124),
        (b"tombstone", None, [], 1_600_000_000_000),
        ("schlüssel".encode(), "wört".encode(), [("h", b"\x00\xff")], 1_700_000_000_125),
    ]
    client.produce(topic, sent, acks="all")
    equal(client.consume(topic, len(sent)), sent, "records")
    equal(client.offset_at(topic, 1_700_000_000_124), 1, "offset by timestamp")
    return "keys, nulls, headers, timestamps, offset by timestamp"


def groups(client, topic):
    """Members share partitions, take over, and go on where the group has committed."""
    client.create(topic, 4)
    group = f"group-{topic}"
    first = client.member(group, topic)
    until("one member has all", lambda: len(first.poll()) == 4)
    second = client.member(group, topic)

    def shared():
        return (len(first.poll()), len(second.poll())) == (2, 2)

    until("two members share", shared)
    values = sorted(f"v{i}".encode() for i in range(40))
    client.produce(topic, [(None, value, [], None) for value in values], spread=4)

    def all_read():
        first.poll(), second.poll()
        return sorted(first.values + second.values) == values

    until("both read everything", all_read)
    first.commit()
    second.commit()
    second.close()
    until("the one left has all", lambda: len(first.poll()) == 4)
    first.close()
    client.produce(topic, [(None, b"later", [], None)])
    third = client.member(group, topic)
    until("the next member goes on", lambda: (third.poll(), b"later" in third.values)[1])
    equal(third.values, [b"later"], "what the next member reads")
    third.close()
    return "2 rebalances, hand-over, positions"


def consumers(client, topic):
    """The same in the consumer protocol, and a static member that comes back."""
    if not hasattr(client, "consumer"):
        raise NotOffered
    client.create(topic, 4)
    group = f"group-{topic}"
    first = client.consumer(group, topic)
    until("one member has all", lambda: len(first.poll()) == 4)
    second = client.consumer(group, topic, "one")

    def shared():
        return (len(first.poll()), len(second.poll())) == (2, 2)

    until("two members share", shared)
    values = sorted(f"v{i}".encode() for i in range(40))
    client.produce(topic, [(None, value, [], None) for value in values], spread=4)

    def all_read():
        first.poll(), second.poll()
        return sorted(first.values + second.values) == values

    until("both read everything", all_read)
    first.commit()
    second.commit()
    second.close()
    second = client.consumer(group, topic, "one")
    until("a static member is back", shared)
    first.close()
    until("the one left has all", lambda: len(second.poll()) == 4)
    client.produce(topic, [(None, b"later", [], None)])
    until("it goes on", lambda: (second.poll(), second.values)[1])
    equal(second.values, [b"later"], "what it reads")
    second.close()
    return "2 rebalances, hand-over, positions; a static member"


def admin(client, topic):
    """Topics, configs, partitions, deletion."""
    client.create(topic, 2, {"retention.ms": "3600000"})
    equal(client.config(topic, "retention.ms"), "3600000", "config")
    client.alter(topic, "retention.ms", "7200000")
    until("altered", lambda: client.config(topic, "retention.ms") == "7200000")
    client.add_partitions(topic, 5)
    until("more partitions", lambda: client.partitions(topic) == 5)
    client.produce(topic, [(None, b"a", [], None), (None, b"b", [], None)])
    client.delete_records(topic, 1)
    equal([r[1] for r in client.consume(topic, 1)], [b"b"], "what is left")
    client.delete(topic)
    until("deleted", lambda: topic not in client.topics())
    return "create, configs, partitions, records, delete"


def large(client, topic):
    """A record of 4 MiB."""
    client.create(topic, 1, {"max.message.bytes": str(2 * LARGE_BYTES)})
    value = bytes(i * 31 % 251 for i in range(1024)) * (LARGE_BYTES // 1024)
    client.produce(topic, [(b"k", value, [], None)], acks="all")
    found = client.consume(topic, 1)[0][1]
    equal((len(found), found == value), (LARGE_BYTES, True), "value")
    return f"{LARGE_BYTES >> 20} MiB"


def partitions(client, topic):
    """Many partitions, a record to each five-hundredth."""
    client.create(topic, PARTITIONS)
    until("all partitions", lambda: client.partitions(topic) == PARTITIONS)
    chosen = range(0, PARTITIONS, 500)
    for partition in chosen:
        value = f"to {partition}".encode()
        client.produce(topic, [(None, value, [], None)], partition=partition)
    for partition in chosen:
        found = [r[1] for r in client.consume(topic, 1, partition=partition)]
        equal(found, [f"to {partition}".encode()], "value")
    client.delete(topic)
    until("deleted", lambda: topic not in client.topics())
    return f"{PARTITIONS} partitions"


def transactions(client, topic):
    """Committed records are read, aborted ones are not, an older producer is fenced."""
    client.create(topic, 1)
    ident = f"tx-{topic}"
    one = client.transactional(ident)
    one.run(topic, [b"a", b"b"], commit=True)
    one.run(topic, [b"x", b"y"], commit=False)
    one.run(topic, [b"c"], commit=True)
    found = [r[1] for r in client.consume(topic, 3, committed=True)]
    equal(found, [b"a", b"b", b"c"], "committed records")
    two = client.transactional(ident)
    if not one.is_fenced(topic):
        raise AssertionError("the older producer was not fenced")
    two.run(topic, [b"d"], commit=True)
    found = [r[1] for r in client.consume(topic, 4, committed=True)]
    equal(found, [b"a", b"b", b"c", b"d"], "committed records after fencing")
    return "commit, abort, read_committed, fencing"
