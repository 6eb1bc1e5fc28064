"""aiokafka, for asyncio."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

VERSION_OF = "aiokafka"
LARGE = 20 << 20
LOOP = asyncio.new_event_loop()


def wait(coroutine, seconds=40):
    return LOOP.run_until_complete(asyncio.wait_for(coroutine, seconds))


class Client:
    def __init__(self, bootstrap, brokers):
        self.bootstrap = bootstrap
        self.factor = min(brokers, 3)
        asyncio.set_event_loop(LOOP)
        self.admin = wait(self._admin())

    async def _admin(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        return admin

    def create(self, topic, count, config=None):
        new = NewTopic(topic, count, self.factor, topic_configs=config or {})
        check(wait(self.admin.create_topics([new])).topic_errors)

    def produce(self, topic, records, compression="none", acks="all", partition=None, spread=1):
        async def run():
            codec = None if compression == "none" else compression
            producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, compression_type=codec,
                                        acks=acks, max_request_size=LARGE)
            await producer.start()
            sent = []
            for i, (key, value, headers, timestamp) in enumerate(records):
                target = i % spread if partition is None else partition
                sent.append(await producer.send(topic, value=value, key=key, headers=headers,
                                                partition=target, timestamp_ms=timestamp))
            for future in sent:
                await future
            await producer.stop()
        wait(run())

    def consume(self, topic, count, partition=0, committed=False):
        async def run():
            isolation = "read_committed" if committed else "read_uncommitted"
            consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None,
                                        isolation_level=isolation,
                                        max_partition_fetch_bytes=LARGE)
            await consumer.start()
            where = TopicPartition(topic, partition)
            consumer.assign([where])
            await consumer.seek_to_beginning(where)
            found = []
            try:
                while len(found) < count:
                    m = await consumer.getone()
                    found.append((m.key, m.value, list(m.headers), m.timestamp))
            finally:
                await consumer.stop()
            return found
        return wait(run())

    def offset_at(self, topic, timestamp):
        async def run():
            consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
            await consumer.start()
            where = TopicPartition(topic, 0)
            found = await consumer.offsets_for_times({where: timestamp})
            await consumer.stop()
            return found[where].offset
        return wait(run())

    def member(self, group, topic):
        return Member(self.bootstrap, group, topic)

    def config(self, topic, key):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        for response in wait(self.admin.describe_configs([resource])):
            for entry in response.resources[0][4]:
                if entry[0] == key:
                    return entry[1]
        return None

    def alter(self, topic, key, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})
        wait(self.admin.alter_configs([resource]))

    def add_partitions(self, topic, count):
        wait(self.admin.create_partitions({topic: NewPartitions(count)}))

    def partitions(self, topic):
        return len(wait(self.admin.describe_topics([topic]))[0]["partitions"])

    def topics(self):
        return set(wait(self.admin.list_topics()))

    def delete_records(self, topic, offset):
        where = {TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)}
        wait(self.admin.delete_records(where))

    def delete(self, topic):
        check(wait(self.admin.delete_topics([topic])).topic_error_codes)

    def transactional(self, ident):
        return Transactional(self.bootstrap, ident)


def check(outcomes):
    for name, code, *_ in outcomes:
        if code:
            raise AssertionError(f"{name}: error {code}")


class Member:
    def __init__(self, bootstrap, group, topic):
        async def start():
            consumer = AIOKafkaConsumer(
                topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False,
                auto_offset_reset="earliest", session_timeout_ms=10000, heartbeat_interval_ms=500)
            await consumer.start()
            return consumer
        self.consumer = wait(start())
        self.values = []

    def poll(self):
        for batch in wait(self.consumer.getmany(timeout_ms=100)).values():
            self.values += [message.value for message in batch]
        return self.consumer.assignment()

    def commit(self):
        wait(self.consumer.commit())

    def close(self):
        wait(self.consumer.stop())


class Transactional:
    def __init__(self, bootstrap, ident):
        async def start():
            producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=ident)
            await producer.start()
            return producer
        self.producer = wait(start())

    def run(self, topic, values, commit):
        async def run():
            await self.producer.begin_transaction()
            for value in values:
                await self.producer.send_and_wait(topic, value=value, partition=0)
            if commit:
                await self.producer.commit_transaction()
            else:
                await self.producer.abort_transaction()
        wait(run())

    def is_fenced(self, topic):
        try:
            self.run(topic, [b"zombie"], commit=True)
        except KafkaError:
            return True
        return False
