import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Apache Kafka's own producer, consumer and admin client.
 * Conformance.java BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, or 1 and what failed.
 */
public final class Conformance {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int LARGE_BYTES = 4 << 20;
    private static final int PARTITIONS = 10_000;
    private static final Duration WAIT = Duration.ofSeconds(40);

    private final String bootstrap;
    private final short factor;
    private final String topic;
    private final Admin admin;

    private Conformance(String bootstrap, int brokers, String topic) {
        this.bootstrap = bootstrap;
        this.factor = (short) Math.min(brokers, 3);
        this.topic = topic;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] words) {
        answer(words, () -> new Conformance(words[0], Integer.parseInt(words[1]), words[3]).run(words[2]));
    }

    /** Ends with 0 and what was done, 1 and what failed, or 3 where that is nothing: there is no such feature. */
    static void answer(String[] words, Callable<String> run) {
        int code = 1;
        try {
            String done = words[2].equals("version") ? AppInfoParser.getVersion() : run.call();
            if (done == null) {
                code = 3;
            } else {
                System.out.println(done);
                code = 0;
            }
        } catch (Throwable error) {
            error.printStackTrace();
            System.err.println(String.valueOf(error).split("\n")[0]);
        }
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    private String run(String feature) throws Exception {
        return switch (feature) {
            case "codecs" -> codecs();
            case "records" -> records();
            case "groups" -> groups();
            case "consumers" -> consumers();
            case "admin" -> administration();
            case "large" -> large();
            case "partitions" -> partitions();
            case "transactions" -> transactions();
            default -> throw new IllegalArgumentException(feature);
        };
    }

    private static void equal(String what, Object found, Object expected) {
        if (!found.equals(expected)) {
            throw new AssertionError(what + ": " + found + ", expected " + expected);
        }
    }

    private static void until(String what, Callable<Boolean> ask) throws Exception {
        until(WAIT, what, ask);
    }

    /** Asks until the answer is yes; clients learn of changes late. */
    static void until(Duration wait, String what, Callable<Boolean> ask) throws Exception {
        long end = System.nanoTime() + wait.toNanos();
        while (System.nanoTime() < end) {
            if (ask.call()) {
                return;
            }
            Thread.sleep(20);
        }
        throw new AssertionError(what + ": not within " + wait);
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private void create(int count, Map<String, String> config) throws Exception {
        NewTopic wanted = new NewTopic(topic, count, factor).configs(config);
        admin.createTopics(List.of(wanted)).all().get(40, TimeUnit.SECONDS);
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "acks", "all", "max.request.size", 20 << 20));
        config.putAll(more);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private void produce(String codec, List<ProducerRecord<byte[], byte[]>> records)
            throws Exception {
        try (var producer = producer(Map.of("compression.type", codec))) {
            var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
            for (var record : records) {
                sent.add(producer.send(record));
            }
            for (var future : sent) {
                future.get(40, TimeUnit.SECONDS);
            }
        }
    }

    private List<ProducerRecord<byte[], byte[]>> plain(List<String> values, int spread) {
        var records = new ArrayList<ProducerRecord<byte[], byte[]>>();
        for (int i = 0; i < values.size(); i++) {
            records.add(new ProducerRecord<>(topic, i % spread, null, bytes(values.get(i))));
        }
        return records;
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "auto.offset.reset", "earliest",
            "enable.auto.commit", false, "max.partition.fetch.bytes", 20 << 20,
            "session.timeout.ms", 10000, "heartbeat.interval.ms", 500));
        config.putAll(more);
        return new KafkaConsumer<>(
            config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private List<ConsumerRecord<byte[], byte[]>> consume(int partition, int count, String level)
            throws Exception {
        try (var consumer = consumer(Map.of("isolation.level", level))) {
            var where = new TopicPartition(topic, partition);
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            var found = new ArrayList<ConsumerRecord<byte[], byte[]>>();
            until(count + " records", () -> {
                consumer.poll(Duration.ofMillis(200)).forEach(found::add);
                return found.size() >= count;
            });
            return found;
        }
    }

    private static List<String> values(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(record -> text(record.value())).toList();
    }

    private String codecs() throws Exception {
        create(1, Map.of());
        var expected = new ArrayList<String>();
        for (String codec : CODECS) {
            var sent = new ArrayList<String>();
            for (int i = 0; i < 50; i++) {
                sent.add(codec + "-" + i + "-" + "x".repeat(100));
            }
            produce(codec, plain(sent, 1));
            expected.addAll(sent);
        }
        var found = consume(0, expected.size(), "read_uncommitted");
        equal("values", values(found), expected);
        return expected.size() + " records, " + CODECS.size() + " codecs";
    }

    private String records() throws Exception {
        create(1, Map.of());
        var first = new ProducerRecord<>(
            topic, 0, 1_700_000_000_123L, bytes("key"), bytes("value"),
            List.of(new RecordHeader("one", bytes("1")), new RecordHeader("two", null),
                new RecordHeader("one", bytes("again"))));
        produce("none", List.of(
            first,
            new ProducerRecord<>(topic, 0, 1_700_000_000_124L, null, bytes("no key")),
            new ProducerRecord<>(topic, 0, 1_600_000_000_000L, bytes("tombstone"), bytes(null))));
        var found = consume(0, 3, "read_uncommitted");
        equal("values", values(found), Arrays.asList("value", "no key", null));
        equal("keys", found.stream().map(r -> text(r.key())).toList(),
            Arrays.asList("key", null, "tombstone"));
        equal("timestamps", found.stream().map(ConsumerRecord::timestamp).toList(),
            List.of(1_700_000_000_123L, 1_700_000_000_124L, 1_600_000_000_000L));
        var headers = new ArrayList<String>();
        found.get(0).headers().forEach(h -> headers.add(h.key() + "=" + text(h.value())));
        equal("headers", headers, List.of("one=1", "two=null", "one=again"));
        var where = new TopicPartition(topic, 0);
        var at = admin.listOffsets(Map.of(where, OffsetSpec.forTimestamp(1_700_000_000_124L)))
            .partitionResult(where).get(30, TimeUnit.SECONDS);
        equal("offset by timestamp", at.offset(), 1L);
        var max = admin.listOffsets(Map.of(where, OffsetSpec.maxTimestamp()))
            .partitionResult(where).get(30, TimeUnit.SECONDS);
        equal("offset of the largest timestamp", max.offset(), 1L);
        return "keys, nulls, headers, timestamps, offset by timestamp";
    }

    /** A member of a group that keeps what it reads. */
    private final class Member {
        final KafkaConsumer<byte[], byte[]> consumer;
        final List<String> read = new ArrayList<>();

        Member(String group, String assignor) {
            consumer = consumer(Map.of(
                "group.id", group, "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer." + assignor));
            consumer.subscribe(List.of(topic));
        }

        /** In the consumer protocol; `more`: how it differs from others. */
        Member(String group, Map<String, Object> more) {
            var config = new HashMap<String, Object>(Map.of(
                "bootstrap.servers", bootstrap, "auto.offset.reset", "earliest",
                "enable.auto.commit", false, "group.id", group, "group.protocol", "consumer"));
            config.putAll(more);
            consumer = new KafkaConsumer<>(
                config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        Member subscribed() {
            consumer.subscribe(List.of(topic));
            return this;
        }

        int poll() {
            consumer.poll(Duration.ofMillis(100)).forEach(r -> read.add(text(r.value())));
            return consumer.assignment().size();
        }
    }

    private String groups() throws Exception {
        create(4, Map.of());
        for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
            group(assignor);
        }
        return "2 rebalances, hand-over, positions; eager and cooperative";
    }

    private void group(String assignor) throws Exception {
        String group = "group-" + topic + "-" + assignor;
        var first = new Member(group, assignor);
        until("one member has all", () -> first.poll() == 4);
        var second = new Member(group, assignor);
        until("two members share", () -> first.poll() == 2 & second.poll() == 2);
        shareRecords(assignor, first, second);
        first.consumer.commitSync();
        second.consumer.commitSync();
        second.consumer.close();
        until("the one left has all", () -> first.poll() == 4);
        first.consumer.close();
        produce("none", plain(List.of("later"), 1));
        var third = new Member(group, assignor);
        until("the next member goes on", () -> third.poll() > 0 && !third.read.isEmpty());
        equal("what the next member reads", third.read, List.of("later"));
        third.consumer.close();
    }

    /** What both read of new records; those of a round before may come late. */
    private void shareRecords(String round, Member first, Member second) throws Exception {
        var sent = new ArrayList<String>();
        for (int i = 0; i < 40; i++) {
            sent.add(String.format("%s-%02d", round, i));
        }
        produce("none", plain(sent, 4));
        var read = new ArrayList<String>();
        until("both read everything", () -> {
            read.clear();
            for (Member member : List.of(first, second)) {
                member.poll();
                member.read.stream().filter(it -> it.startsWith(round)).forEach(read::add);
            }
            return read.size() >= sent.size();
        });
        Collections.sort(read);
        equal("what both read", read, sent);
    }

    private String consumers() throws Exception {
        create(4, Map.of());
        for (String assignor : List.of("uniform", "range")) {
            shareInConsumerProtocol("group-" + topic + "-" + assignor, assignor);
        }
        staticInConsumerProtocol("group-" + topic + "-static");
        byPattern("group-" + topic + "-pattern");
        return "2 rebalances, hand-over, positions; uniform and range; static members, patterns";
    }

    private void shareInConsumerProtocol(String group, String assignor) throws Exception {
        Map<String, Object> by = Map.of("group.remote.assignor", assignor);
        var first = new Member(group, by).subscribed();
        until("one member has all", () -> first.poll() == 4);
        var second = new Member(group, by).subscribed();
        until("two members share", () -> first.poll() == 2 & second.poll() == 2);
        shareRecords(assignor, first, second);
        first.consumer.commitSync();
        second.consumer.commitSync();
        var described = admin.describeConsumerGroups(List.of(group)).all()
            .get(30, TimeUnit.SECONDS).get(group);
        equal("type", described.type().toString(), "Consumer");
        equal("state", described.groupState().toString(), "Stable");
        equal("assignor", described.partitionAssignor(), assignor);
        equal("members", described.members().size(), 2);
        second.consumer.close();
        until("the one left has all", () -> first.poll() == 4);
        first.consumer.close();
        produce("none", plain(List.of("later"), 1));
        var third = new Member(group, by).subscribed();
        until("the next member goes on", () -> third.poll() > 0 && !third.read.isEmpty());
        equal("what the next member reads", third.read, List.of("later"));
        third.consumer.close();
        admin.deleteConsumerGroups(List.of(group)).all().get(30, TimeUnit.SECONDS);
    }

    private void staticInConsumerProtocol(String group) throws Exception {
        Map<String, Object> named = Map.of("group.instance.id", "one");
        var first = new Member(group, named).subscribed();
        until("a static member has all", () -> first.poll() == 4);
        first.consumer.close();
        var other = new Member(group, Map.of()).subscribed();
        for (int i = 0; i < 20; i++) {
            equal("partitions wait for the static member", other.poll(), 0);
        }
        var again = new Member(group, named).subscribed();
        until("it is back, and shares", () -> again.poll() == 2 & other.poll() == 2);
        again.consumer.close();
        var removed = List.of(new MemberToRemove("one"));
        admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(removed))
            .all().get(30, TimeUnit.SECONDS);
        until("what it had is free", () -> other.poll() == 4);
        other.consumer.close();
    }

    private void byPattern(String group) throws Exception {
        var member = new Member(group, Map.of());
        member.consumer.subscribe(new SubscriptionPattern(topic.substring(0, 6) + ".*onsumers-.*"));
        until("the coordinator finds the topic", () -> member.poll() >= 4);
        member.consumer.close();
    }

    private String config(String key) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get(30, TimeUnit.SECONDS)
            .get(resource).get(key).value();
    }

    private int count() throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get(30, TimeUnit.SECONDS)
            .get(topic).partitions().size();
    }

    private void remove() throws Exception {
        admin.deleteTopics(List.of(topic)).all().get(40, TimeUnit.SECONDS);
        until("deleted",
            () -> !admin.listTopics().names().get(30, TimeUnit.SECONDS).contains(topic));
    }

    private String administration() throws Exception {
        create(2, Map.of("retention.ms", "3600000"));
        equal("config", config("retention.ms"), "3600000");
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var change = new AlterConfigOp(
            new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all()
            .get(30, TimeUnit.SECONDS);
        until("altered", () -> config("retention.ms").equals("7200000"));
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all()
            .get(30, TimeUnit.SECONDS);
        until("more partitions", () -> count() == 5);
        produce("none", plain(List.of("a", "b"), 1));
        var where = new TopicPartition(topic, 0);
        admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(1))).all()
            .get(30, TimeUnit.SECONDS);
        equal("what is left", values(consume(0, 1, "read_uncommitted")), List.of("b"));
        equal("nodes", admin.describeCluster().nodes().get(30, TimeUnit.SECONDS).size() > 0, true);
        try {
            admin.electLeaders(
                org.apache.kafka.common.ElectionType.PREFERRED, java.util.Set.of(where))
                .partitions().get(30, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw new AssertionError("electLeaders: " + error.getCause());
        }
        remove();
        return "create, configs, partitions, records, elections, delete";
    }

    private String large() throws Exception {
        create(1, Map.of("max.message.bytes", String.valueOf(2 * LARGE_BYTES)));
        var value = new byte[LARGE_BYTES];
        for (int i = 0; i < value.length; i++) {
            value[i] = (byte) (i * 31 % 251);
        }
        produce("none", List.of(new ProducerRecord<>(topic, 0, bytes("k"), value)));
        var found = consume(0, 1, "read_uncommitted");
        equal("same value", Arrays.equals(found.get(0).value(), value), true);
        remove();
        wide();
        return (LARGE_BYTES >> 20) + " MiB; more partitions than an answer has room for";
    }

    /** The consumer drops the first answer of a session unless it names all partitions, also those left out. */
    private void wide() throws Exception {
        int count = 16;
        create(count, Map.of());
        var records = new ArrayList<ProducerRecord<byte[], byte[]>>();
        for (int i = 0; i < 3 * count; i++) {
            records.add(new ProducerRecord<>(topic, i % count, null, new byte[100_000]));
        }
        produce("none", records);
        Map<String, Object> little =
            Map.of("fetch.max.bytes", 300_000, "max.partition.fetch.bytes", 200_000);
        try (var consumer = consumer(little)) {
            var all = new ArrayList<TopicPartition>();
            for (int partition = 0; partition < count; partition++) {
                all.add(new TopicPartition(topic, partition));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var read = new int[1];
            until("all records", () -> {
                read[0] += consumer.poll(Duration.ofMillis(200)).count();
                return read[0] >= records.size();
            });
            equal("records", read[0], records.size());
        }
    }

    private String partitions() throws Exception {
        create(PARTITIONS, Map.of());
        until("all partitions", () -> count() == PARTITIONS);
        for (int partition = 0; partition < PARTITIONS; partition += 500) {
            var value = "to " + partition;
            produce("none", List.of(new ProducerRecord<>(topic, partition, null, bytes(value))));
            equal("value", values(consume(partition, 1, "read_uncommitted")), List.of(value));
        }
        remove();
        return PARTITIONS + " partitions";
    }

    private KafkaProducer<byte[], byte[]> transactional() {
        var producer = producer(Map.of("transactional.id", "tx-" + topic));
        producer.initTransactions();
        return producer;
    }

    private void transaction(
            KafkaProducer<byte[], byte[]> producer, List<String> values, boolean commit)
            throws Exception {
        producer.beginTransaction();
        for (var record : plain(values, 1)) {
            producer.send(record).get(30, TimeUnit.SECONDS);
        }
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    private String transactions() throws Exception {
        create(1, Map.of());
        var one = transactional();
        transaction(one, List.of("a", "b"), true);
        transaction(one, List.of("x", "y"), false);
        transaction(one, List.of("c"), true);
        equal("committed", values(consume(0, 3, "read_committed")), List.of("a", "b", "c"));
        var two = transactional();
        try {
            transaction(one, List.of("zombie"), true);
            throw new AssertionError("the older producer was not fenced");
        } catch (ProducerFencedException expected) {
            // as it must be
        } catch (ExecutionException error) {
            equal("fenced", error.getCause().getClass().getSimpleName(), fencing(error.getCause()));
        }
        transaction(two, List.of("d"), true);
        equal("committed", values(consume(0, 4, "read_committed")), List.of("a", "b", "c", "d"));
        positions(two);
        return "commit, abort, read_committed, fencing, positions in a transaction";
    }

    /** Either of the two names that a client gives to fencing. */
    private static String fencing(Throwable error) {
        return Optional.of(error.getClass().getSimpleName())
            .filter(name -> name.equals("InvalidProducerEpochException"))
            .orElse("ProducerFencedException");
    }

    private void positions(KafkaProducer<byte[], byte[]> producer) throws Exception {
        var where = new TopicPartition(topic, 0);
        try (var consumer = consumer(Map.of("group.id", "group-" + topic))) {
            consumer.subscribe(List.of(topic));
            until("assigned", () -> {
                consumer.poll(Duration.ofMillis(100));
                return !consumer.assignment().isEmpty();
            });
            // waits for the answer about committed positions that poll() has asked for: committed()
            // would take it for its own, though it is older than the transaction
            consumer.position(where);
            producer.beginTransaction();
            var position = new org.apache.kafka.clients.consumer.OffsetAndMetadata(3, "in order");
            producer.sendOffsetsToTransaction(Map.of(where, position), consumer.groupMetadata());
            producer.commitTransaction();
            equal("position", consumer.committed(java.util.Set.of(where)).get(where), position);
        }
    }
}
