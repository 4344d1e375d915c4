// Prints what Kafka's client library knows of every error code, tab-separated: code, name, whether the same request may be
// sent again, whether metadata should be refreshed first, message. Output: errors.tsv.
//     java -cp "LIBS/*" ErrorTable.java > errors.tsv
import org.apache.kafka.common.errors.RefreshRetriableException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

public final class ErrorTable {
    public static void main(String[] arguments) {
        java.util.Arrays.stream(Errors.values()).sorted(java.util.Comparator.comparing(Errors::code)).forEach(error -> {
            var exception = error.exception();
            System.out.println(String.join("\t",
                Short.toString(error.code()),
                error.name(),
                Boolean.toString(exception instanceof RetriableException),
                Boolean.toString(exception instanceof RefreshRetriableException),
                exception == null ? "" : error.message()));
        });
    }
}
