#!/bin/sh
# Apache Kafka's command-line tools. tools.sh CLASSPATH BOOTSTRAP BROKERS FEATURE TOPIC
# DATA_DIR is where the broker keeps its logs; exit 0 and what was done, 1 and what failed, or 3 when the tools have no such feature.
set -eu
classpath=$1 bootstrap=$2 brokers=$3 feature=$4 topic=$5
factor=$(( brokers < 3 ? brokers : 3 ))

tool() {
    class=$1
    shift
    timeout 60 java -Xmx256m -cp "$classpath" "$class" "$@"
}

fail() {
    echo "$1" >&2
    exit 1
}

topics() { tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$bootstrap" "$@"; }

create() { topics --create --topic "$topic" --partitions "$1" --replication-factor "$factor"; }

configs() {
    tool kafka.admin.ConfigCommand --bootstrap-server "$bootstrap" --describe \
        --entity-type "$1" --entity-name "$2"
}

alter() {
    tool kafka.admin.ConfigCommand --bootstrap-server "$bootstrap" --alter --entity-type "$1" \
        --entity-name "$2" --add-config "$3"
}

drop() {
    tool kafka.admin.ConfigCommand --bootstrap-server "$bootstrap" --alter --entity-type "$1" \
        --entity-name "$2" --delete-config "$3"
}

groups() {
    tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand \
        --bootstrap-server "$bootstrap" "$@"
}

consume() {
    tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$bootstrap" \
        --topic "$topic" --from-beginning --timeout-ms 20000 "$@"
}

produce() {
    tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$bootstrap" \
        --topic "$topic" "$@"
}

case $feature in
version)
    tool org.apache.kafka.tools.TopicCommand --version | cut -d' ' -f1
    ;;
codecs)
    create 1 >/dev/null
    for codec in none gzip snappy lz4 zstd; do
        echo "with $codec" | produce --compression-codec "$codec"
    done
    found=$(consume --max-messages 5 2>/dev/null)
    expected=$(printf 'with %s\n' none gzip snappy lz4 zstd)
    [ "$found" = "$expected" ] || fail "console-consumer read: $found"
    log=$(find "$DATA_DIR" -path "*/$topic-0/*.log" | head -1)
    tool kafka.tools.DumpLogSegments --files "$log" --deep-iteration --print-data-log |
        grep -q 'payload: with zstd' || fail "dump-log does not read $log"
    echo "console-producer and console-consumer, 5 codecs; dump-log reads the files"
    ;;
records)
    create 1 >/dev/null
    printf 'h:1\tkey\tvalue\n' | produce --property parse.key=true --property parse.headers=true
    found=$(consume --max-messages 1 --property print.key=true --property print.headers=true \
        2>/dev/null)
    expected=$(printf 'h:1\tkey\tvalue')
    [ "$found" = "$expected" ] || fail "console-consumer read: $found"
    found=$(tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$bootstrap" \
        --topic "$topic")
    [ "$found" = "$topic:0:1" ] || fail "get-offsets said: $found"
    echo "keys and headers, get-offsets"
    ;;
groups)
    create 2 >/dev/null
    group="group-$topic"
    printf 'a\nb\nc\n' | produce
    consume --max-messages 3 --group "$group" >/dev/null 2>&1
    groups --describe --group "$group" 2>/dev/null | grep -q "$topic" || fail "describe"
    groups --list | grep -q "$group" || fail "list"
    groups --reset-offsets --to-earliest --all-topics --group "$group" --execute >/dev/null 2>&1
    lag=$(groups --describe --group "$group" 2>/dev/null |
        awk -v t="$topic" '$2 == t { sum += $6 } END { print sum }')
    [ "$lag" = 3 ] || fail "lag after the reset: $lag"
    groups --delete --group "$group" | grep -q successful || fail "delete"
    echo "consumer-groups: describe, list, reset, delete"
    ;;
consumers)
    create 2 >/dev/null
    group="group-$topic"
    printf 'a\nb\nc\n' | produce
    consume --max-messages 3 --group "$group" --consumer-property group.protocol=consumer \
        >/dev/null 2>&1
    groups --list --type consumer | grep -q "$group" || fail "list"
    groups --describe --group "$group" 2>/dev/null | grep -q "$topic" || fail "describe"
    groups --describe --state --group "$group" 2>/dev/null | grep -q Empty || fail "state"
    tool org.apache.kafka.tools.FeatureCommand --bootstrap-server "$bootstrap" describe |
        grep -q 'group.version.*FinalizedVersionLevel: 1' || fail "features"
    groups --reset-offsets --to-earliest --all-topics --group "$group" --execute >/dev/null 2>&1
    consume --max-messages 3 --group "$group" --consumer-property group.protocol=consumer \
        2>/dev/null | grep -q c || fail "read again"
    groups --delete --group "$group" | grep -q successful || fail "delete"
    echo "console-consumer, consumer-groups: list, describe, reset, delete; features"
    ;;
admin)
    create 2 >/dev/null
    topics --describe --topic "$topic" | grep -q 'PartitionCount: 2' || fail "describe"
    topics --alter --topic "$topic" --partitions 4
    alter topics "$topic" retention.ms=7200000 >/dev/null
    configs topics "$topic" | grep -q retention.ms=7200000 || fail "configs"
    tool org.apache.kafka.tools.BrokerApiVersionsCommand --bootstrap-server "$bootstrap" |
        grep -q Produce || fail "broker-api-versions"
    tool org.apache.kafka.tools.LogDirsCommand --bootstrap-server "$bootstrap" --describe \
        --topic-list "$topic" | grep -q "\"partition\":\"$topic-0\",\"size\":" || fail "log-dirs"
    quorum="tool org.apache.kafka.tools.MetadataQuorumCommand --bootstrap-server $bootstrap describe"
    $quorum --status | grep -q '^LeaderId: *[1-3]$' || fail "metadata-quorum --status"
    [ "$($quorum --replication | grep -c Follower)" = $(( brokers - 1 )) ] ||
        fail "metadata-quorum --replication"
    features="tool org.apache.kafka.tools.FeatureCommand --bootstrap-server $bootstrap"
    $features describe | grep 'transaction.version' | grep -q 'FinalizedVersionLevel: 2' ||
        fail "features describe"
    $features downgrade --feature transaction.version=1 --dry-run >/dev/null ||
        fail "features downgrade"
    $features downgrade --feature metadata.version=25 --dry-run >/dev/null ||
        fail "features downgrade of metadata.version"
    $features downgrade --feature metadata.version=21 --dry-run >/dev/null 2>&1 &&
        fail "features downgrade below what records may have"
    $features upgrade --feature transaction.version=9 >/dev/null 2>&1 &&
        fail "features upgrade to a level that there is not"
    client=$topic
    alter clients "$client" producer_byte_rate=1000000,request_percentage=50 >/dev/null
    configs clients "$client" | grep -q 'request_percentage=50' || fail "quotas of a client"
    alter ips 192.0.2.1 connection_creation_rate=10 >/dev/null
    configs ips 192.0.2.1 | grep -q 'connection_creation_rate=10' || fail "rate of an address"
    alter brokers 1 log.cleaner.backoff.ms=14000 >/dev/null
    configs brokers 1 | grep -q 'log.cleaner.backoff.ms=14000' || fail "config of a broker"
    drop brokers 1 log.cleaner.backoff.ms >/dev/null
    configs brokers 1 | grep -q 'log.cleaner.backoff.ms=14000' && fail "a broker's config stays"
    printf 'a\nb\nc\n' | produce --producer-property linger.ms=100
    offsets=$(mktemp)
    for partition in 0 1 2 3; do
        echo "{\"topic\":\"$topic\",\"partition\":$partition,\"offset\":-1}"
    done | paste -sd, | sed 's/.*/{"partitions":[&],"version":1}/' >"$offsets"
    tool org.apache.kafka.tools.DeleteRecordsCommand --bootstrap-server "$bootstrap" \
        --offset-json-file "$offsets" | grep -q 'low_watermark: [1-3]' || fail "delete-records"
    rm "$offsets"
    tool org.apache.kafka.tools.ClusterTool cluster-id --bootstrap-server "$bootstrap" |
        grep -q '^Cluster ID: ' || fail "cluster-id"
    topics --delete --topic "$topic"
    done="topics, configs of topics and brokers, quotas, delete-records, broker-api-versions"
    done="$done, log-dirs, metadata-quorum, features, cluster"
    if [ "$brokers" -ge 3 ]; then
        topics --create --topic "moved-$topic" --replica-assignment 1:2,2:3 >/dev/null
        plan=$(mktemp)
        partition="{\"topic\":\"moved-$topic\",\"partition\""
        echo "{\"version\":1,\"partitions\":[$partition:0,\"replicas\":[2,3]}," \
            "$partition:1,\"replicas\":[1]}]}" >"$plan"
        throttle=leader.replication.throttled
        tool org.apache.kafka.tools.reassign.ReassignPartitionsCommand \
            --bootstrap-server "$bootstrap" --reassignment-json-file "$plan" --execute \
            --throttle 5000000 >/dev/null
        configs brokers 1 | grep -q "$throttle.rate=5000000" || fail "throttle of brokers"
        configs topics "moved-$topic" | grep -q "$throttle.replicas" || fail "throttle of the topic"
        for try in 1 2 3 4 5; do
            found=$(tool org.apache.kafka.tools.reassign.ReassignPartitionsCommand \
                --bootstrap-server "$bootstrap" --reassignment-json-file "$plan" --verify)
            [ "$(echo "$found" | grep -c 'is completed')" = 2 ] && break
        done
        rm "$plan"
        [ "$(echo "$found" | grep -c 'is completed')" = 2 ] || fail "reassign, try $try: $found"
        configs brokers 1 | grep -q "$throttle" && fail "the throttle of brokers stays"
        configs topics "moved-$topic" | grep -q "$throttle" && fail "the topic's throttle stays"
        tool org.apache.kafka.tools.LeaderElectionCommand --bootstrap-server "$bootstrap" \
            --election-type unclean --topic "moved-$topic" --partition 0 |
            grep -q 'Valid replica already elected' || fail "leader-election"
        done="$done, reassign-partitions with a throttle, leader-election"
    fi
    echo "$done"
    ;;
large)
    create 1 >/dev/null
    tool org.apache.kafka.tools.ProducerPerformance --topic "$topic" --num-records 20 \
        --record-size 900000 --throughput -1 \
        --producer-props bootstrap.servers="$bootstrap" acks=all | tail -1 |
        grep -q '^20 records sent' || fail "producer-perf"
    tool org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "$bootstrap" \
        --topic "$topic" --messages 20 --timeout 20000 | tail -1 | cut -d, -f5 |
        grep -q ' 20$' || fail "consumer-perf"
    echo "producer-perf and consumer-perf, 900 kB records"
    ;;
partitions)
    create 10000 >/dev/null
    found=$(topics --describe --topic "$topic" | grep -c 'Partition: ')
    [ "$found" = 10000 ] || fail "$found partitions described"
    topics --delete --topic "$topic"
    echo "10,000 partitions"
    ;;
transactions)
    create 1 >/dev/null
    tool org.apache.kafka.tools.ProducerPerformance --topic "$topic" --num-records 500 \
        --record-size 100 --throughput -1 --transactional-id "tx-$topic" \
        --transaction-duration-ms 50 \
        --producer-props bootstrap.servers="$bootstrap" acks=all | tail -1 |
        grep -q '^500 records sent' || fail "producer-perf with transactions"
    found=$(consume --max-messages 500 --isolation-level read_committed 2>/dev/null | wc -l)
    [ "$found" = 500 ] || fail "console-consumer read $found committed records"
    tool org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$bootstrap" list |
        grep -q "tx-$topic" || fail "transactions list"
    echo "producer-perf with transactions, read_committed, transactions list"
    ;;
*)
    exit 3
    ;;
esac
