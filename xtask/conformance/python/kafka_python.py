"""kafka-python, written in Python."""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import KafkaError

VERSION_OF = "kafka-python"
LARGE = 20 << 20


class Client:
    def __init__(self, bootstrap, brokers):
        self.bootstrap = bootstrap.split(",")
        self.factor = min(brokers, 3)
        self.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def create(self, topic, count, config=None):
        self.admin.create_topics([NewTopic(topic, count, self.factor, topic_configs=config or {})])

    def produce(self, topic, records, compression="none", acks="all", partition=None, spread=1):
        codec = None if compression == "none" else compression
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, compression_type=codec,
                                 acks=acks, max_request_size=LARGE)
        sent = []
        for i, (key, value, headers, timestamp) in enumerate(records):
            target = i % spread if partition is None else partition
            sent.append(producer.send(topic, value=value, key=key, headers=headers,
                                      partition=target, timestamp_ms=timestamp))
        producer.flush(40)
        for future in sent:
            future.get(40)
        producer.close()

    def consume(self, topic, count, partition=0, committed=False):
        isolation = "read_committed" if committed else "read_uncommitted"
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest",
                                 isolation_level=isolation, max_partition_fetch_bytes=LARGE)
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        consumer.seek_to_beginning(where)
        found, end = [], time.monotonic() + 40
        while len(found) < count and time.monotonic() < end:
            for batch in consumer.poll(500).values():
                found += [(m.key, m.value, list(m.headers), m.timestamp) for m in batch]
        consumer.close()
        return found[:count] if committed else found

    def offset_at(self, topic, timestamp):
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap)
        where = TopicPartition(topic, 0)
        found = consumer.offsets_for_times({where: timestamp})[where]
        consumer.close()
        return found.offset

    def member(self, group, topic):
        return Member(self.bootstrap, group, topic)

    def config(self, topic, key):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        return find_value(self.admin.describe_configs([resource]), key)

    def alter(self, topic, key, value):
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})])

    def add_partitions(self, topic, count):
        self.admin.create_partitions({topic: NewPartitions(count)})

    def partitions(self, topic):
        return len(self.admin.describe_topics([topic])[0]["partitions"])

    def topics(self):
        return set(self.admin.list_topics())

    def delete_records(self, topic, offset):
        self.admin.delete_records({TopicPartition(topic, 0): offset})

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def transactional(self, ident):
        return Transactional(self.bootstrap, ident)


def find_value(described, key):
    """The value of a config, wherever this version of the client puts it."""
    if isinstance(described, dict):
        if key in described:
            found = described[key]
            return found.get("value") if isinstance(found, dict) else found
        described = list(described.values())
    if isinstance(described, (list, tuple)):
        if len(described) > 1 and described[0] == key:
            return described[1]
        for part in described:
            found = find_value(part, key)
            if found is not None:
                return found
    if hasattr(described, "resources"):
        return find_value(described.resources, key)
    return None


class Member:
    def __init__(self, bootstrap, group, topic):
        self.consumer = KafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=10000, heartbeat_interval_ms=500)
        self.values = []

    def poll(self):
        for batch in self.consumer.poll(100).values():
            self.values += [message.value for message in batch]
        return self.consumer.assignment()

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, bootstrap, ident):
        self.producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=ident)
        self.producer.init_transactions()

    def run(self, topic, values, commit):
        self.producer.begin_transaction()
        for value in values:
            self.producer.send(topic, value=value, partition=0).get(30)
        if commit:
            self.producer.commit_transaction()
        else:
            self.producer.abort_transaction()

    def is_fenced(self, topic):
        try:
            self.run(topic, [b"zombie"], commit=True)
        except KafkaError:
            return True
        return False
