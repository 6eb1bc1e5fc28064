import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Programs that run beside a client under test, each in a Java of its own, and files that they share. */
final class Processes implements AutoCloseable {
    private final List<Process> running = new ArrayList<>();
    private final Path dir;

    Processes(String name) throws Exception {
        this.dir = Files.createTempDirectory(name);
        // also where the time is over
        Runtime.getRuntime().addShutdownHook(new Thread(this::kill));
    }

    Path file(String name) {
        return dir.resolve(name);
    }

    /** Starts the class with a file of these properties. */
    Process start(String name, String main, Map<String, String> config) throws Exception {
        var file = file(name + ".properties");
        Files.write(file, config.entrySet().stream()
            .map(entry -> entry.getKey() + "=" + entry.getValue()).sorted().toList());
        var log = file(name + ".log").toFile();
        var process = new ProcessBuilder("java", "-Xmx256m", "-XX:+UseSerialGC",
            "-cp", System.getProperty("java.class.path"), main, file.toString())
            .redirectErrorStream(true).redirectOutput(log).start();
        running.add(process);
        return process;
    }

    static int freePort() throws Exception {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** Ends a program as a crash does. */
    static void crash(Process process) throws Exception {
        process.destroyForcibly().waitFor();
    }

    private void kill() {
        running.forEach(Process::destroyForcibly);
    }

    @Override
    public void close() throws Exception {
        kill();
        for (Process process : running) {
            process.waitFor();
        }
        try (var files = Files.walk(dir)) {
            for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
