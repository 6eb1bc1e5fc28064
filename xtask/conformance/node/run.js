// run.js CLIENT BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, or 1 and what failed.
// kafkajs, and @confluentinc/kafka-javascript through its interface of the same shape.
'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { createRequire } = require('node:module');

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const LARGE_BYTES = 4 << 20;
const PARTITIONS = 10000;
const WAIT_MS = 40000;

const [client, bootstrap, brokers, feature, topic] = process.argv.slice(2);
// packages are where the command was called
const need = createRequire(path.join(process.cwd(), 'package.json'));
const factor = Math.min(Number(brokers), 3);
const confluent = client === 'confluent';
const kafka = confluent ? fromConfluent() : fromKafkaJs();

function fromKafkaJs() {
  const lib = need('kafkajs');
  const { CompressionTypes, CompressionCodecs } = lib;
  CompressionCodecs[CompressionTypes.Snappy] = need('kafkajs-snappy');
  CompressionCodecs[CompressionTypes.LZ4] = new (need('kafkajs-lz4'))().codec;
  CompressionCodecs[CompressionTypes.ZSTD] = zstd;
  const kafka = new lib.Kafka({
    brokers: bootstrap.split(','), logLevel: lib.logLevel.NOTHING, retry: { retries: 8 },
    requestTimeout: 60000,
  });
  const codec = (name) => CompressionTypes[
    { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }[name]];
  return {
    admin: () => kafka.admin(),
    producer: (options = {}) => kafka.producer({ allowAutoTopicCreation: false, ...options }),
    consumer: (options) => kafka.consumer({
      sessionTimeout: 10000, heartbeatInterval: 500, maxBytesPerPartition: 20 << 20, ...options }),
    send: (producer, name, what) => producer.send({ compression: codec(name), acks: -1, ...what }),
    subscribe: (consumer) => consumer.subscribe({ topics: [topic], fromBeginning: true }),
  };
}

// kafkajs brings no zstd; this one needs no compiler.
function zstd() {
  const { ZstdCodec } = need('zstd-codec');
  const use = (act) => new Promise((resolve) => {
    ZstdCodec.run((lib) => resolve(Buffer.from(act(new lib.Streaming()))));
  });
  return {
    compress: (encoder) => use((codec) => codec.compress(encoder.buffer)),
    decompress: (buffer) => use((codec) => codec.decompress(buffer)),
  };
}

function fromConfluent() {
  const { Kafka, logLevel } = need('@confluentinc/kafka-javascript').KafkaJS;
  const kafka = new Kafka({
    kafkaJS: { brokers: bootstrap.split(','), logLevel: logLevel.NOTHING } });
  return {
    admin: () => kafka.admin(),
    producer: (options = {}, codec = 'none') => kafka.producer({
      'compression.type': codec, 'message.max.bytes': 20 << 20, kafkaJS: { acks: -1, ...options } }),
    consumer: ({ readUncommitted, ...options }) => kafka.consumer({
      'heartbeat.interval.ms': 500,
      'isolation.level': readUncommitted === false ? 'read_committed' : 'read_uncommitted',
      kafkaJS: { sessionTimeout: 10000, fromBeginning: true, ...options } }),
    send: (producer, name, what) => producer.send(what),
    subscribe: (consumer) => consumer.subscribe({ topics: [topic] }),
  };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, ask) {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(50)) {
    if (await ask()) return;
  }
  throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

async function withAdmin(act) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

function create(count, config = {}) {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  const topics = [
    { topic, numPartitions: count, replicationFactor: factor, configEntries }];
  return withAdmin(async (admin) => {
    if (!confluent) {
      await admin.createTopics({ topics, waitForLeaders: true, timeout: 60000 });
      return;
    }
    await admin.createTopics({ topics, timeout: 60000 });
    await until('leaders', async () => {
      const [found] = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => []);
      return found?.partitions.length === count && found.partitions.every(({ leader }) => leader >= 0);
    });
  });
}

async function produce(messages, codec = 'none') {
  const producer = kafka.producer({}, codec);
  await producer.connect();
  await kafka.send(producer, codec, { topic, messages });
  await producer.disconnect();
}

// A member of a group that keeps what it reads.
async function member(groupId, options = {}) {
  const consumer = kafka.consumer({ groupId, ...options });
  const found = [];
  let assigned = [];
  if (!confluent) {
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      assigned = payload.memberAssignment[topic] ?? [];
    });
  }
  await consumer.connect();
  await kafka.subscribe(consumer);
  await consumer.run({
    eachMessage: async ({ partition, message }) => { found.push({ partition, ...message }); } });
  const partitions = () => (confluent ? consumer.assignment() : assigned).length;
  return { found, partitions, leave: () => consumer.disconnect() };
}

async function consume(count, options = {}) {
  const reader = await member(`reader-${topic}-${Math.random()}`, options);
  await until(`${count} records`, () => reader.found.length >= count);
  await reader.leave();
  return reader.found.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

const texts = (messages) => messages.map(({ value }) => value && value.toString());
const sorted = (list) => [...list].sort();

const features = {
  async version() {
    return need(`${confluent ? '@confluentinc/kafka-javascript' : 'kafkajs'}/package.json`).version;
  },

  async codecs() {
    await create(1);
    const expected = [];
    for (const codec of CODECS) {
      const values = Array.from({ length: 50 }, (_, i) => `${codec}-${i}-${'x'.repeat(100)}`);
      await produce(values.map((value) => ({ value, partition: 0 })), codec);
      expected.push(...values);
    }
    assert.deepStrictEqual(texts(await consume(expected.length)), expected);
    return `${expected.length} records, ${CODECS.length} codecs`;
  },

  async records() {
    await create(1);
    await produce([
      { key: 'key', value: 'value', headers: { one: '1', two: '' }, timestamp: '1700000000123' },
      { key: null, value: 'no key', timestamp: '1700000000124' },
      { key: 'tombstone', value: null, timestamp: '1600000000000' },
    ]);
    const found = await consume(3);
    assert.deepStrictEqual(texts(found), ['value', 'no key', null]);
    const keys = found.map(({ key }) => key && key.toString());
    assert.deepStrictEqual(keys, ['key', null, 'tombstone']);
    const times = found.map(({ timestamp }) => timestamp);
    assert.deepStrictEqual(times, ['1700000000123', '1700000000124', '1600000000000']);
    assert.strictEqual(found[0].headers.one.toString(), '1');
    assert.strictEqual(found[0].headers.two.toString(), '');
    return 'keys, nulls, headers, timestamps';
  },

  async groups() {
    await create(4);
    const group = `group-${topic}`;
    const first = await member(group);
    await until('one member has all', () => first.partitions() === 4);
    const second = await member(group);
    await until('two members share', () => first.partitions() === 2 && second.partitions() === 2);
    const values = Array.from({ length: 40 }, (_, i) => `v${i}`);
    await produce(values.map((value, i) => ({ value, partition: i % 4 })));
    const read = () => sorted([...texts(first.found), ...texts(second.found)]);
    await until('both read everything', () => read().length >= values.length);
    assert.deepStrictEqual(read(), sorted(values));
    await second.leave();
    await until('the one left has all', () => first.partitions() === 4);
    await first.leave();
    await produce([{ value: 'later', partition: 0 }]);
    const third = await member(group);
    await until('the next member goes on', () => third.found.length > 0);
    await third.leave();
    assert.deepStrictEqual(texts(third.found), ['later']);
    return '2 rebalances, hand-over, positions';
  },

  async admin() {
    await create(2, { 'retention.ms': '3600000' });
    await withAdmin(async (admin) => {
      const partitions = async () => {
        const found = await admin.fetchTopicMetadata({ topics: [topic] });
        return (found.topics ?? found)[0].partitions.length;
      };
      if (!confluent) {
        const resources = [{ type: 2, name: topic, configNames: ['retention.ms'] }];
        const value = async () => {
          const answer = await admin.describeConfigs({ resources, includeSynonyms: false });
          return answer.resources[0].configEntries[0].configValue;
        };
        assert.strictEqual(await value(), '3600000');
        const configEntries = [{ name: 'retention.ms', value: '7200000' }];
        await admin.alterConfigs({ resources: [{ type: 2, name: topic, configEntries }] });
        await until('altered', async () => await value() === '7200000');
        await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
        await until('more partitions', async () => await partitions() === 5);
      }
      await produce([{ value: 'a', partition: 0 }, { value: 'b', partition: 0 }]);
      const offsets = await admin.fetchTopicOffsets(topic);
      assert.strictEqual(offsets.find(({ partition }) => partition === 0).high, '2');
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
      assert.deepStrictEqual(texts(await consume(1)), ['b']);
    });
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [topic] });
      await until('deleted', async () => {
        if (!(await admin.listTopics()).includes(topic)) return true;
        // a handle of librdkafka's that knew the topic has asked for its metadata, which makes it again
        if (confluent) await admin.deleteTopics({ topics: [topic] }).catch(() => {});
        return false;
      });
    });
    return confluent ? 'create, offsets, records, delete'
      : 'create, configs, partitions, offsets, records, delete';
  },

  async large() {
    await create(1, { 'max.message.bytes': String(2 * LARGE_BYTES) });
    const value = Buffer.alloc(LARGE_BYTES, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
    await produce([{ key: 'k', value, partition: 0 }]);
    const [found] = await consume(1);
    assert(found.value.equals(value), 'the value has changed');
    return `${LARGE_BYTES >> 20} MiB`;
  },

  async partitions() {
    await create(PARTITIONS);
    const chosen = Array.from({ length: PARTITIONS / 500 }, (_, i) => i * 500);
    await produce(chosen.map((partition) => ({ value: `to ${partition}`, partition })));
    const found = await consume(chosen.length);
    assert.deepStrictEqual(texts(found), chosen.map((partition) => `to ${partition}`));
    await withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
    return `${PARTITIONS} partitions`;
  },

  async transactions() {
    await create(1);
    const open = async () => {
      const producer = kafka.producer(
        { transactionalId: `tx-${topic}`, maxInFlightRequests: 1, idempotent: true });
      await producer.connect();
      return producer;
    };
    const run = async (producer, values, commit) => {
      const transaction = await producer.transaction();
      const messages = values.map((value) => ({ value, partition: 0 }));
      await transaction.send({ topic, messages });
      await (commit ? transaction.commit() : transaction.abort());
    };
    const one = await open();
    await run(one, ['a', 'b'], true);
    await run(one, ['x', 'y'], false);
    await run(one, ['c'], true);
    assert.deepStrictEqual(texts(await consume(3, { readUncommitted: false })), ['a', 'b', 'c']);
    const two = await open();
    await run(two, ['d'], true);
    await assert.rejects(run(one, ['zombie'], true), 'the older producer was not fenced');
    assert.deepStrictEqual(
      texts(await consume(4, { readUncommitted: false })), ['a', 'b', 'c', 'd']);
    await two.disconnect();
    return 'commit, abort, read_committed, fencing';
  },
};

// a client that has no such feature
if (!features[feature]) process.exit(3);
features[feature]().then(
  (done) => { console.log(done); process.exit(0); },
  (error) => {
    console.error(error);
    console.error(`${error.name}: ${String(error.message).split('\n')[0]}`);
    process.exit(1);
  },
);
