"""confluent-kafka, which is librdkafka."""

import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
    ResourceType,
)

VERSION_OF = "confluent-kafka"
LIMITS = {"message.max.bytes": 20 << 20}


class Client:
    def __init__(self, bootstrap, brokers):
        self.base = {"bootstrap.servers": bootstrap}
        self.factor = min(brokers, 3)
        self.admin = AdminClient(self.base)

    def create(self, topic, count, config=None):
        new = NewTopic(topic, count, self.factor, config=config or {})
        self.admin.create_topics([new], operation_timeout=30)[topic].result(40)

    def produce(self, topic, records, compression="none", acks="all", partition=None, spread=1):
        producer = Producer(self.base | LIMITS | {"compression.type": compression, "acks": acks})
        errors = []
        for i, (key, value, headers, timestamp) in enumerate(records):
            more = {} if timestamp is None else {"timestamp": timestamp}
            target = i % spread if partition is None else partition
            producer.produce(
                topic, value, key, target, headers=headers or None,
                on_delivery=lambda error, _: errors.append(error) if error else None, **more)
        if producer.flush(40) or errors:
            raise AssertionError(f"not delivered: {errors[:1]}")

    def consume(self, topic, count, partition=0, committed=False):
        isolation = "read_committed" if committed else "read_uncommitted"
        consumer = Consumer(self.base | {
            "group.id": "unused", "enable.auto.commit": False, "isolation.level": isolation,
            "auto.offset.reset": "earliest", "fetch.message.max.bytes": 20 << 20})
        consumer.assign([TopicPartition(topic, partition, -2)])
        found, end = [], time.monotonic() + 40
        while len(found) < count and time.monotonic() < end:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            found.append((message.key(), message.value(), message.headers() or [],
                          message.timestamp()[1]))
        consumer.close()
        return found

    def offset_at(self, topic, timestamp):
        consumer = Consumer(self.base | {"group.id": "unused"})
        found = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=30)
        consumer.close()
        return found[0].offset

    def member(self, group, topic):
        return Member(self.base, group, topic)

    def consumer(self, group, topic, instance=None):
        more = {"group.protocol": "consumer"}
        return Member(self.base, group, topic, more | ({"group.instance.id": instance} if instance else {}))

    def config(self, topic, key):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return self.admin.describe_configs([resource])[resource].result(30)[key].value

    def alter(self, topic, key, value):
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result(30)

    def add_partitions(self, topic, count):
        self.admin.create_partitions([NewPartitions(topic, count)])[topic].result(30)

    def partitions(self, topic):
        return len(self.admin.list_topics(topic, timeout=30).topics[topic].partitions)

    def topics(self):
        return set(self.admin.list_topics(timeout=30).topics)

    def delete_records(self, topic, offset):
        where = TopicPartition(topic, 0, offset)
        for future in self.admin.delete_records([where]).values():
            future.result(30)

    def delete(self, topic):
        self.admin.delete_topics([topic], operation_timeout=30)[topic].result(40)

    def transactional(self, ident):
        return Transactional(self.base, ident)


class Member:
    def __init__(self, base, group, topic, more=None):
        # in the consumer protocol times are the coordinator's
        times = {"session.timeout.ms": 10000, "heartbeat.interval.ms": 500}
        self.consumer = Consumer(base | (more or times) | {
            "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False})
        self.consumer.subscribe([topic])
        self.values = []

    def poll(self):
        message = self.consumer.poll(0.1)
        if message is not None and not message.error():
            self.values.append(message.value())
        return self.consumer.assignment()

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, base, ident):
        self.producer = Producer(base | {"transactional.id": ident})
        self.producer.init_transactions(30)

    def run(self, topic, values, commit):
        self.producer.begin_transaction()
        for value in values:
            self.producer.produce(topic, value, partition=0)
        self.producer.flush(30)
        if commit:
            self.producer.commit_transaction(30)
        else:
            self.producer.abort_transaction(30)

    def is_fenced(self, topic):
        try:
            self.run(topic, [b"zombie"], commit=True)
        except KafkaException as error:
            return error.args[0].fatal()
        return False
