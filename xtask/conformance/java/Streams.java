import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/** Applications of Kafka Streams: repartition topics, changelogs, standby tasks, transactions. */
public final class Streams extends Application {
    private static final int KEYS = 10;

    private final List<KafkaStreams> running = new ArrayList<>();

    private Streams(String[] words) throws Exception {
        super(words);
    }

    public static void main(String[] words) {
        launch(words, Streams::new);
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

    private KafkaStreams start(String instance) {
        var config = new Properties();
        config.put("application.id", topic + "-app");
        config.put("bootstrap.servers", bootstrap);
        config.put("state.dir", processes.file(instance).toString());
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

    private void produce(int from, int to) {
        produce(IntStream.range(from, to)
            .mapToObj(i -> new ProducerRecord<>(topic, "k" + i % 7, "v" + i % KEYS + "-" + i)));
    }

    /** All values of each key, in the order in which they came. */
    private Map<String, List<Long>> counts() {
        var found = new TreeMap<String, List<Long>>();
        read(output(), new LongDeserializer()).forEach(record ->
            found.computeIfAbsent(record.key(), key -> new ArrayList<>()).add(record.value()));
        return found;
    }

    private void untilCounted(String what, int records) throws Exception {
        long each = records / KEYS;
        until(what, () -> {
            var counts = counts();
            return counts.size() == KEYS && counts.values().stream()
                .allMatch(values -> values.get(values.size() - 1) == each);
        });
    }

    @Override
    String run() throws Exception {
        try (var admin = admin()) {
            create(admin, 4, topic, output());
            produce(0, 1000);
            var first = start("first");
            untilCounted("one instance", 1000);
            var second = start("second");
            until("both run", () -> second.state() == KafkaStreams.State.RUNNING
                && first.state() == KafkaStreams.State.RUNNING);
            produce(1000, 2000);
            untilCounted("two instances", 2000);
            // without a farewell: its share goes over, and state is restored from the changelog
            first.close(Duration.ZERO);
            produce(2000, 3000);
            untilCounted("the one that is left", 3000);
            second.close(Duration.ofSeconds(20));
            // its directory is new: nothing is left of the others' state
            start("third");
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
        return exactlyOnce
            ? "exactly-once counting in three instances, each record counted once"
            : "repartitioning and counting in three instances, state from the changelog";
    }
}
