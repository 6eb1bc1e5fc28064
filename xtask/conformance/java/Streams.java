import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Applications of Kafka Streams: repartition topics, changelogs, standby tasks, transactions.
 * Streams.java BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, 1 and what failed, or 3 when there
 * is no such feature.
 */
public final class Streams {
    private static final int KEYS = 10;
    private static final Duration WAIT = Duration.ofSeconds(90);

    private final String bootstrap;
    private final short factor;
    private final String topic;
    private final Path dir;
    private final List<KafkaStreams> running = new ArrayList<>();

    private Streams(String bootstrap, int brokers, String topic) throws Exception {
        this.bootstrap = bootstrap;
        this.factor = (short) Math.min(brokers, 3);
        this.topic = topic;
        this.dir = Files.createTempDirectory("streams");
    }

    public static void main(String[] words) {
        int code = 1;
        try {
            String feature = words[2];
            if (feature.equals("version")) {
                System.out.println(AppInfoParser.getVersion());
                code = 0;
            } else if (!List.of("groups", "transactions").contains(feature)) {
                code = 3;
            } else {
                var streams = new Streams(words[0], Integer.parseInt(words[1]), words[3]);
                System.out.println(streams.run(feature.equals("transactions")));
                code = 0;
            }
        } catch (Throwable error) {
            error.printStackTrace();
            System.err.println(String.valueOf(error).split("\n")[0]);
        }
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    /** Counts records by a key that is not theirs: through a repartition topic, into a changelog. */
    private Topology counting() {
        var builder = new StreamsBuilder();
        builder.stream(topic, Consumed.with(Serdes.String(), Serdes.String()))
            .map((key, value) -> KeyValue.pair(value.split("-")[0], value))
            .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.as("counts"))
            .toStream()
            .to(output(), Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    private String output() {
        return topic + "-counted";
    }

    private KafkaStreams start(String instance, boolean exactlyOnce) {
        var config = new Properties();
        config.put("application.id", topic + "-app");
        config.put("bootstrap.servers", bootstrap);
        config.put("state.dir", dir.resolve(instance).toString());
        config.put("replication.factor", (int) factor);
        config.put("num.standby.replicas", 1);
        config.put("commit.interval.ms", 100);
        config.put("statestore.cache.max.bytes", 0);
        config.put("auto.offset.reset", "earliest");
        config.put("session.timeout.ms", 6000);
        config.put("heartbeat.interval.ms", 1000);
        config.put("processing.guarantee", exactlyOnce ? "exactly_once_v2" : "at_least_once");
        var streams = new KafkaStreams(counting(), config);
        streams.start();
        running.add(streams);
        return streams;
    }

    private void produce(int from, int to) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "acks", "all");
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < to; i++) {
                producer.send(new ProducerRecord<>(topic, "k" + i % 7, "v" + i % KEYS + "-" + i));
            }
            producer.flush();
        }
    }

    /** All values of each key, in the order in which they came. */
    private Map<String, List<Long>> counts() throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "isolation.level", "read_committed",
            "auto.offset.reset", "earliest"));
        Map<String, List<Long>> found = new TreeMap<>();
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> all = consumer.partitionsFor(output()).stream()
                .map(it -> new TopicPartition(it.topic(), it.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                consumer.poll(Duration.ofMillis(200)).forEach(record ->
                    found.computeIfAbsent(record.key(), key -> new ArrayList<>()).add(record.value()));
            }
        }
        return found;
    }

    private void untilCounted(String what, int records) throws Exception {
        long each = records / KEYS;
        Conformance.until(WAIT, what, () -> {
            var counts = counts();
            return counts.size() == KEYS && counts.values().stream()
                .allMatch(values -> values.get(values.size() - 1) == each);
        });
    }

    private String run(boolean exactlyOnce) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            var topics = List.of(new NewTopic(topic, 4, factor), new NewTopic(output(), 4, factor));
            admin.createTopics(topics).all().get(40, TimeUnit.SECONDS);
            produce(0, 1000);
            var first = start("first", exactlyOnce);
            untilCounted("one instance", 1000);
            var second = start("second", exactlyOnce);
            Conformance.until(WAIT, "both run", () -> second.state() == KafkaStreams.State.RUNNING
                && first.state() == KafkaStreams.State.RUNNING);
            produce(1000, 2000);
            untilCounted("two instances", 2000);
            // without a farewell: its share goes over, and state is restored from the changelog
            first.close(Duration.ZERO);
            produce(2000, 3000);
            untilCounted("the one that is left", 3000);
            second.close(Duration.ofSeconds(20));
            forget(dir);
            start("third", exactlyOnce);
            produce(3000, 4000);
            untilCounted("restored from the changelog alone", 4000);
            if (exactlyOnce) {
                counts().forEach((key, values) -> {
                    for (int i = 0; i < values.size(); i++) {
                        if (values.get(i) != i + 1) {
                            throw new AssertionError(key + " was counted " + values.subList(0, i + 1));
                        }
                    }
                });
            }
            running.forEach(streams -> streams.close(Duration.ofSeconds(20)));
        }
        forget(dir);
        return exactlyOnce
            ? "exactly-once counting in three instances, each record counted once"
            : "repartitioning and counting in three instances, state from the changelog";
    }

    private static void forget(Path dir) throws Exception {
        if (!Files.exists(dir)) {
            return;
        }
        try (var files = Files.walk(dir)) {
            for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
