import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/** MirrorMaker 2, from the cluster to itself under another name: records, configs, positions, heartbeats. */
public final class Mirror extends Application {
    private static final int PARTITIONS = 3;

    /** Name of the cluster that is mirrored: only this run's. */
    private final String from;

    private Mirror(String[] words) throws Exception {
        super(words);
        this.from = exactlyOnce ? "once" : "east";
    }

    public static void main(String[] words) {
        launch(words, Mirror::new);
    }

    private String mirrored() {
        return from + "." + topic;
    }

    private String group() {
        return "group-" + topic;
    }

    private Process start(String name) throws Exception {
        String flow = from + "->west";
        var config = workerConfig();
        config.putAll(Map.of(
            "clusters", from + ", west",
            from + ".bootstrap.servers", bootstrap, "west.bootstrap.servers", bootstrap,
            flow + ".enabled", "true", flow + ".topics", topic, flow + ".groups", group(),
            "replication.factor", String.valueOf(factor)));
        for (String kind : List.of("checkpoints", "heartbeats", "offset-syncs")) {
            config.put(kind + ".topic.replication.factor", String.valueOf(factor));
        }
        for (String what : List.of("emit.heartbeats", "emit.checkpoints", "sync.group.offsets",
            "sync.topic.configs", "refresh.topics", "refresh.groups")) {
            config.put(what + ".interval.seconds", "2");
        }
        config.put("sync.group.offsets.enabled", "true");
        config.put("offset.lag.max", "10");
        if (exactlyOnce) {
            config.put("exactly.once.source.support", "enabled");
            config.put("dedicated.mode.enable.internal.rest", "true");
            config.put("listeners", "http://127.0.0.1:" + Processes.freePort());
        }
        return processes.start(name, "org.apache.kafka.connect.mirror.MirrorMaker", config);
    }

    private void produce(int from, int to) {
        produce(IntStream.range(from, to).mapToObj(i -> new ProducerRecord<>(
            topic, i % PARTITIONS, 1_700_000_000_000L + i, "k" + i, "v" + i,
            List.of(new RecordHeader("h", new byte[] {(byte) i})))));
    }

    private static List<TopicPartition> partitions(String topic) {
        var all = new ArrayList<TopicPartition>();
        for (int i = 0; i < PARTITIONS; i++) {
            all.add(new TopicPartition(topic, i));
        }
        return all;
    }

    /** Everything in a topic, one text a record. */
    private Set<String> texts(String topic) {
        return read(topic).stream().map(record ->
            record.partition() + " " + record.timestamp() + " " + record.key() + " "
                + record.value() + " " + record.headers().lastHeader("h").value()[0])
            .collect(Collectors.toSet());
    }

    private void untilMirrored(Admin admin, String what, int records) throws Exception {
        var expected = texts(topic);
        until(what, () -> admin.listTopics().names().get().contains(mirrored())
            && texts(mirrored()).equals(expected));
        checkOnce(what, mirrored(), records);
    }

    /** Sets a config of the topic, which its mirror takes over. */
    private void changeConfig(Admin admin, String value) throws Exception {
        String key = "retention.bytes";
        var change = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
        var own = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(own, List.of(change))).all().get(40, TimeUnit.SECONDS);
        var theirs = new ConfigResource(ConfigResource.Type.TOPIC, mirrored());
        until("config of the mirror", () ->
            admin.describeConfigs(List.of(theirs)).all().get().get(theirs).get(key).value().equals(value));
    }

    /** The group's positions go along, not beyond what is mirrored. */
    private void untilFollowed(Admin admin, int each) throws Exception {
        var positions = new HashMap<TopicPartition, OffsetAndMetadata>();
        partitions(topic).forEach(it -> positions.put(it, new OffsetAndMetadata(each)));
        admin.alterConsumerGroupOffsets(group(), positions).all().get(40, TimeUnit.SECONDS);
        var moved = new TreeMap<String, Long>();
        until("positions of the group", () -> {
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

    @Override
    String run() throws Exception {
        try (var admin = admin()) {
            create(admin, PARTITIONS, topic);
            produce(0, 300);
            var first = start("first");
            untilMirrored(admin, "mirrored", 300);
            changeConfig(admin, "987654321");
            untilFollowed(admin, 100);
            Processes.crash(first);
            produce(300, 600);
            start("second");
            untilMirrored(admin, "after a crash", 600);
            until("heartbeats", () -> admin.listTopics().names().get().contains("heartbeats"));
        }
        return exactlyOnce
            ? "topic, configs, positions, checkpoints, a crash; each record once"
            : "topic, configs, positions, checkpoints, heartbeats, a crash";
    }
}
