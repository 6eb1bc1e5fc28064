import org.apache.kafka.common.message.ApiMessageType.ListenerType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Lines of xtask/conformance/kafka-apis.csv: what a broker of this version of Apache Kafka serves
 * to clients, as its own table says. Run with kafka-clients on the class path.
 */
public final class ApiTable {
    public static void main(String[] none) {
        for (ApiKeys api : ApiKeys.values()) {
            if (api.inScope(ListenerType.BROKER)) {
                short newest = api.latestVersion(false);
                System.out.println(AppInfoParser.getVersion() + "," + api.id + "," + api.name
                    + "," + api.oldestVersion() + "," + newest);
            }
        }
    }
}
