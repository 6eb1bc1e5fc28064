import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A program built upon Kafka's clients: at-least-once as feature `groups`, exactly-once as feature `transactions`.
 * BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, 1 and what failed, or 3 when there is no such feature.
 */
abstract class Application {
    static final Duration WAIT = Duration.ofSeconds(90);

    final String bootstrap;
    final short factor;
    final String topic;
    final boolean exactlyOnce;
    final Processes processes;

    Application(String[] words) throws Exception {
        this.bootstrap = words[0];
        this.factor = (short) Math.min(Integer.parseInt(words[1]), 3);
        this.topic = words[3];
        this.exactlyOnce = words[2].equals("transactions");
        this.processes = new Processes(getClass().getSimpleName());
    }

    /** Its constructor. */
    interface Maker {
        Application make(String[] words) throws Exception;
    }

    static void launch(String[] words, Maker maker) {
        Conformance.answer(words, () -> {
            if (!List.of("groups", "transactions").contains(words[2])) {
                return null;
            }
            var application = maker.make(words);
            try (application.processes) {
                return application.run();
            }
        });
    }

    /** Says what was done. */
    abstract String run() throws Exception;

    static void until(String what, Callable<Boolean> ask) throws Exception {
        Conformance.until(WAIT, what, ask);
    }

    Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    void create(Admin admin, int partitions, String... topics) throws Exception {
        var all = Stream.of(topics).map(name -> new NewTopic(name, partitions, factor)).toList();
        admin.createTopics(all).all().get(40, TimeUnit.SECONDS);
    }

    void produce(Stream<ProducerRecord<String, String>> records) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "acks", "all");
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            records.forEach(producer::send);
            producer.flush();
        }
    }

    /** All that is committed in a topic. */
    <V> List<ConsumerRecord<String, V>> read(String topic, Deserializer<V> values) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "isolation.level", "read_committed");
        var found = new ArrayList<ConsumerRecord<String, V>>();
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), values)) {
            var all = consumer.partitionsFor(topic).stream()
                .map(it -> new TopicPartition(it.topic(), it.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                consumer.poll(Duration.ofMillis(200)).forEach(found::add);
            }
        }
        return found;
    }

    List<ConsumerRecord<String, String>> read(String topic) {
        return read(topic, new StringDeserializer());
    }

    /** Nothing is there twice where transactions see to that. */
    void checkOnce(String what, String topic, int expected) {
        int found = read(topic).size();
        if (exactlyOnce && found != expected) {
            throw new AssertionError(what + ": " + found + " records instead of " + expected);
        }
    }

    /** What all of Connect's workers are given, MirrorMaker's among them. */
    Map<String, String> workerConfig() {
        // who is gone is missed soon
        var config = new HashMap<>(Map.of("plugin.discovery", "service_load",
            "session.timeout.ms", "6000", "heartbeat.interval.ms", "1000"));
        for (String kind : List.of("config", "offset", "status")) {
            config.put(kind + ".storage.replication.factor", String.valueOf(factor));
        }
        return config;
    }
}
