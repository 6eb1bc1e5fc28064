import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/**
 * MirrorMaker 2, from the cluster to itself under another name: records, configs, positions, heartbeats.
 * Mirror.java BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, 1 and what failed, or 3 when there
 * is no such feature.
 */
public final class Mirror {
    private static final Duration WAIT = Duration.ofSeconds(90);
    private static final int PARTITIONS = 3;

    private final String bootstrap;
    private final int factor;
    private final String topic;
    private final boolean exactlyOnce;
    private final Processes processes;
    /** Name of the cluster that is mirrored: only this run's. */
    private final String from;

    private Mirror(String bootstrap, int brokers, String topic, boolean exactlyOnce) throws Exception {
        this.bootstrap = bootstrap;
        this.factor = Math.min(brokers, 3);
        this.topic = topic;
        this.exactlyOnce = exactlyOnce;
        this.processes = new Processes("mirror");
        this.from = exactlyOnce ? "once" : "east";
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
                var mirror = new Mirror(
                    words[0], Integer.parseInt(words[1]), words[3], feature.equals("transactions"));
                try (var ended = mirror.processes) {
                    System.out.println(mirror.run());
                }
                code = 0;
            }
        } catch (Throwable error) {
            error.printStackTrace();
            System.err.println(String.valueOf(error).split("\n")[0]);
        }
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    private String mirrored() {
        return from + "." + topic;
    }

    private String group() {
        return "group-" + topic;
    }

    private Process start(String name) throws Exception {
        String flow = from + "->west";
        var config = new HashMap<>(Map.of(
            "clusters", from + ", west",
            from + ".bootstrap.servers", bootstrap, "west.bootstrap.servers", bootstrap,
            flow + ".enabled", "true", flow + ".topics", topic, flow + ".groups", group(),
            "replication.factor", String.valueOf(factor)));
        for (String kind : List.of("checkpoints", "heartbeats", "offset-syncs")) {
            config.put(kind + ".topic.replication.factor", String.valueOf(factor));
        }
        for (String kind : List.of("config", "offset", "status")) {
            config.put(kind + ".storage.replication.factor", String.valueOf(factor));
        }
        for (String what : List.of("emit.heartbeats", "emit.checkpoints", "sync.group.offsets",
            "sync.topic.configs", "refresh.topics", "refresh.groups")) {
            config.put(what + ".interval.seconds", "2");
        }
        config.put("sync.group.offsets.enabled", "true");
        config.put("offset.lag.max", "10");
        config.put("session.timeout.ms", "6000");
        config.put("heartbeat.interval.ms", "1000");
        config.put("plugin.discovery", "service_load");
        if (exactlyOnce) {
            config.put("exactly.once.source.support", "enabled");
            config.put("dedicated.mode.enable.internal.rest", "true");
            config.put("listeners", "http://127.0.0.1:" + Processes.freePort());
        }
        return processes.start(name, "org.apache.kafka.connect.mirror.MirrorMaker", config);
    }

    private void produce(int from, int to) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "acks", "all");
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (int i = from; i < to; i++) {
                var headers = List.of(new RecordHeader("h", new byte[] {(byte) i}));
                producer.send(new ProducerRecord<>(
                    topic, i % PARTITIONS, 1_700_000_000_000L + i, "k" + i, "v" + i, List.copyOf(headers)));
            }
            producer.flush();
        }
    }

    private static List<TopicPartition> partitions(String topic) {
        var all = new ArrayList<TopicPartition>();
        for (int i = 0; i < PARTITIONS; i++) {
            all.add(new TopicPartition(topic, i));
        }
        return all;
    }

    /** Everything in a topic, one text a record. */
    private List<String> read(String topic) {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", bootstrap, "isolation.level", "read_committed");
        var found = new ArrayList<String>();
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            var all = partitions(topic);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> found.add(
                    record.partition() + " " + record.timestamp() + " " + record.key() + " "
                        + record.value() + " " + record.headers().lastHeader("h").value()[0]));
            }
        }
        return found;
    }

    private void untilMirrored(Admin admin, String what) throws Exception {
        var expected = new HashSet<>(read(topic));
        Conformance.until(WAIT, what, () -> admin.listTopics().names().get().contains(mirrored())
            && new HashSet<>(read(mirrored())).equals(expected));
        int found = read(mirrored()).size();
        if (exactlyOnce && found != expected.size()) {
            throw new AssertionError(what + ": " + found + " records instead of " + expected.size());
        }
    }

    /** Sets a config of the topic, which its mirror takes over. */
    private void changeConfig(Admin admin, String value) throws Exception {
        String key = "retention.bytes";
        var change = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
        var own = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(own, List.of(change))).all().get(40, TimeUnit.SECONDS);
        var theirs = new ConfigResource(ConfigResource.Type.TOPIC, mirrored());
        Conformance.until(WAIT, "config of the mirror", () ->
            admin.describeConfigs(List.of(theirs)).all().get().get(theirs).get(key).value().equals(value));
    }

    /** The group's positions go along, not beyond what is mirrored. */
    private void untilFollowed(Admin admin, int each) throws Exception {
        var positions = new HashMap<TopicPartition, OffsetAndMetadata>();
        partitions(topic).forEach(it -> positions.put(it, new OffsetAndMetadata(each)));
        admin.alterConsumerGroupOffsets(group(), positions).all().get(40, TimeUnit.SECONDS);
        var moved = new TreeMap<String, Long>();
        Conformance.until(WAIT, "positions of the group", () -> {
            admin.listConsumerGroupOffsets(group()).partitionsToOffsetAndMetadata().get()
                .forEach((it, position) -> moved.put(it.toString(), position.offset()));
            return partitions(mirrored()).stream().allMatch(it -> moved.getOrDefault(it.toString(), 0L) > 0);
        });
        if (!exactlyOnce && moved.values().stream().anyMatch(position -> position > each)) {
            throw new AssertionError("positions beyond " + each + ": " + moved);
        }
        Map<String, Object> client = Map.of("bootstrap.servers", bootstrap);
        var told = RemoteClusterUtils.translateOffsets(client, from, group(), Duration.ofSeconds(20));
        if (!told.keySet().equals(new HashSet<>(partitions(mirrored())))) {
            throw new AssertionError("checkpoints: " + told);
        }
    }

    private String run() throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) factor)))
                .all().get(40, TimeUnit.SECONDS);
            produce(0, 300);
            var first = start("first");
            untilMirrored(admin, "mirrored");
            changeConfig(admin, "987654321");
            untilFollowed(admin, 100);
            Processes.crash(first);
            produce(300, 600);
            start("second");
            untilMirrored(admin, "after a crash");
            Conformance.until(WAIT, "heartbeats", () ->
                admin.listTopics().names().get().contains("heartbeats"));
        }
        return exactlyOnce
            ? "topic, configs, positions, checkpoints, a crash; each record once"
            : "topic, configs, positions, checkpoints, heartbeats, a crash";
    }
}
