import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Kafka Connect: two distributed workers, from a file to a topic and from there to a file.
 * Connect.java BOOTSTRAP BROKERS FEATURE TOPIC: exit 0 and what was done, 1 and what failed, or 3 when there
 * is no such feature.
 */
public final class Connect {
    private static final Duration WAIT = Duration.ofSeconds(90);
    private static final String STRINGS = "org.apache.kafka.connect.storage.StringConverter";

    private final String bootstrap;
    private final int factor;
    private final String topic;
    private final boolean exactlyOnce;
    private final Processes processes;
    private final HttpClient http = HttpClient.newHttpClient();
    private int port;

    private Connect(String bootstrap, int brokers, String topic, boolean exactlyOnce) throws Exception {
        this.bootstrap = bootstrap;
        this.factor = Math.min(brokers, 3);
        this.topic = topic;
        this.exactlyOnce = exactlyOnce;
        this.processes = new Processes("connect");
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
                var connect = new Connect(
                    words[0], Integer.parseInt(words[1]), words[3], feature.equals("transactions"));
                try (var ended = connect.processes) {
                    System.out.println(connect.run());
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

    private Process worker(String name, int at) throws Exception {
        var config = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap, "group.id", topic + "-workers",
            "key.converter", STRINGS, "value.converter", STRINGS,
            "listeners", "http://127.0.0.1:" + at, "plugin.discovery", "service_load",
            "offset.flush.interval.ms", "1000", "scheduled.rebalance.max.delay.ms", "0"));
        for (String kind : List.of("config", "offset", "status")) {
            config.put(kind + ".storage.topic", topic + "-" + kind);
            config.put(kind + ".storage.replication.factor", String.valueOf(factor));
        }
        // who is gone is missed soon
        config.put("session.timeout.ms", "6000");
        config.put("heartbeat.interval.ms", "1000");
        config.put("exactly.once.source.support", exactlyOnce ? "enabled" : "disabled");
        return processes.start(name, "org.apache.kafka.connect.cli.ConnectDistributed", config);
    }

    /** Asks the worker until it does what it is asked: while it rebalances, it does not. */
    private void ask(String method, String path, String body) throws Exception {
        var publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body);
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/connectors/" + path))
            .header("Content-Type", "application/json").timeout(WAIT).method(method, publisher).build();
        Conformance.until(WAIT, method + " " + path, () -> {
            try {
                return http.send(request, BodyHandlers.ofString()).statusCode() / 100 == 2;
            } catch (java.net.ConnectException notYet) {
                return false;
            }
        });
    }

    private void connector(String name, Map<String, String> config) throws Exception {
        var fields = config.entrySet().stream()
            .map(entry -> "\"" + entry.getKey() + "\":\"" + entry.getValue() + "\"").toList();
        ask("PUT", name + "/config", "{" + String.join(",", fields) + "}");
    }

    private void append(Path file, int from, int to) throws Exception {
        var lines = IntStream.range(from, to).mapToObj(i -> "line-" + i).toList();
        Files.write(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Until the file has each of so many lines. */
    private void untilWritten(String what, Path file, int lines) throws Exception {
        Conformance.until(WAIT, what, () ->
            Files.exists(file) && new HashSet<>(Files.readAllLines(file)).size() == lines);
    }

    /** How many records of committed transactions there are. */
    private int committed() {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", bootstrap, "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            var all = List.of(new TopicPartition(topic, 0));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            long end = consumer.endOffsets(all).get(all.get(0));
            int found = 0;
            while (consumer.position(all.get(0)) < end) {
                found += consumer.poll(Duration.ofMillis(200)).count();
            }
            return found;
        }
    }

    private void check(String what, int expected) {
        int found = committed();
        if (exactlyOnce && found != expected) {
            throw new AssertionError(what + ": " + found + " records instead of " + expected);
        }
    }

    private String run() throws Exception {
        var in = processes.file("in.txt");
        var out = processes.file("out.txt");
        int firstPort = Processes.freePort();
        port = Processes.freePort();
        var first = worker("first", firstPort);
        worker("second", port);
        append(in, 0, 500);
        var source = new HashMap<>(Map.of(
            "connector.class", "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "file", in.toString(), "topic", topic,
            "topic.creation.default.partitions", "1",
            "topic.creation.default.replication.factor", String.valueOf(factor)));
        if (exactlyOnce) {
            source.put("exactly.once.support", "required");
        }
        connector(topic + "-source", source);
        connector(topic + "-sink", Map.of(
            "connector.class", "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "file", out.toString(), "topics", topic,
            "consumer.override.isolation.level", "read_committed"));
        untilWritten("two workers", out, 500);
        append(in, 500, 1000);
        Processes.crash(first);
        untilWritten("the one that is left", out, 1000);
        check("after a crash", 1000);
        worker("third", firstPort);
        append(in, 1000, 1500);
        untilWritten("with another one", out, 1500);
        check("with another one", 1500);
        ask("PUT", topic + "-source/stop", null);
        ask("DELETE", topic + "-source/offsets", null);
        ask("PUT", topic + "-source/resume", null);
        Conformance.until(WAIT, "read again", () -> committed() >= 3000);
        check("read again", 3000);
        ask("DELETE", topic + "-source", null);
        ask("DELETE", topic + "-sink", null);
        return exactlyOnce
            ? "file to topic to file, a worker's crash, offsets reset; each line once"
            : "file to topic to file in two workers, a worker's crash, offsets reset";
    }
}
