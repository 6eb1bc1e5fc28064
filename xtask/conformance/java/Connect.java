import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Kafka Connect: two distributed workers, from a file to a topic and from there to a file. */
public final class Connect extends Application {
    private static final String STRINGS = "org.apache.kafka.connect.storage.StringConverter";

    private final HttpClient http = HttpClient.newHttpClient();
    private int port;

    private Connect(String[] words) throws Exception {
        super(words);
    }

    public static void main(String[] words) {
        launch(words, Connect::new);
    }

    private Process worker(String name, int at) throws Exception {
        var config = workerConfig();
        config.putAll(Map.of(
            "bootstrap.servers", bootstrap, "group.id", topic + "-workers",
            "key.converter", STRINGS, "value.converter", STRINGS,
            "listeners", "http://127.0.0.1:" + at,
            "offset.flush.interval.ms", "1000", "scheduled.rebalance.max.delay.ms", "0"));
        for (String kind : List.of("config", "offset", "status")) {
            config.put(kind + ".storage.topic", topic + "-" + kind);
        }
        config.put("exactly.once.source.support", exactlyOnce ? "enabled" : "disabled");
        return processes.start(name, "org.apache.kafka.connect.cli.ConnectDistributed", config);
    }

    /** Asks the worker until it does what it is asked: while it rebalances, it does not. */
    private void ask(String method, String path, String body) throws Exception {
        var publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body);
        var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/connectors/" + path))
            .header("Content-Type", "application/json").timeout(WAIT).method(method, publisher).build();
        until(method + " " + path, () -> {
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
        until(what, () -> Files.exists(file) && new HashSet<>(Files.readAllLines(file)).size() == lines);
    }

    @Override
    String run() throws Exception {
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
        checkOnce("after a crash", topic, 1000);
        worker("third", firstPort);
        append(in, 1000, 1500);
        untilWritten("with another one", out, 1500);
        checkOnce("with another one", topic, 1500);
        ask("PUT", topic + "-source/stop", null);
        ask("DELETE", topic + "-source/offsets", null);
        ask("PUT", topic + "-source/resume", null);
        until("read again", () -> read(topic).size() >= 3000);
        checkOnce("read again", topic, 3000);
        ask("DELETE", topic + "-source", null);
        ask("DELETE", topic + "-sink", null);
        return exactlyOnce
            ? "file to topic to file, a worker's crash, offsets reset; each line once"
            : "file to topic to file in two workers, a worker's crash, offsets reset";
    }
}
