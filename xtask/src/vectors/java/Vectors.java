// Drives the real converters of Kafka Connect and writes down what they give: one file of JSON lines for each group.
//
// Arguments: the folder to write into.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.storage.Converter;

final class Vectors implements AutoCloseable {
    private final BufferedWriter out;
    private int cases;

    private Vectors(Path dir, String name) throws IOException {
        out = Files.newBufferedWriter(dir.resolve(name + ".jsonl"));
    }

    public static void main(String[] arguments) throws Exception {
        // Java formats and reads dates in the zone of its machine.
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        // And with the names of its language.
        Locale.setDefault(Locale.US);
        Path dir = Path.of(arguments[0]);
        int cases = 0;
        for (Group group : new Group[] {
            new Group("plain", PlainCases::write),
            new Group("json_read", JsonCases::writeReads),
            new Group("json_write", JsonCases::writeWrites),
            new Group("values", ValuesCases::write),
            new Group("date_format", DateFormatCases::write),
            new Group("projector", ProjectorCases::write),
            new Group("transforms", TransformCases::writeTransforms),
            new Group("predicates", TransformCases::writePredicates),
        }) {
            try (Vectors vectors = new Vectors(dir, group.name)) {
                group.write.to(vectors);
                System.out.println(group.name + " " + vectors.cases);
                cases += vectors.cases;
            }
        }
        System.out.println("total " + cases);
    }

    interface Writer {
        void to(Vectors vectors) throws IOException;
    }

    record Group(String name, Writer write) {
    }

    /** Begins cases of one converter with these settings; null when it refuses them, which is then a case of its own. */
    Converter converter(Class<? extends Converter> type, Map<String, String> settings) throws IOException {
        ObjectNode line = Notation.JSON.objectNode();
        line.put("converter", type.getName());
        ObjectNode config = line.putObject("config");
        new TreeMap<>(settings).forEach(config::put);
        try {
            Converter converter = type.getDeclaredConstructor().newInstance();
            converter.configure(settings, false);
            line(line);
            return converter;
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        } catch (RuntimeException error) {
            line.set("error", Notation.error(error));
            add(line);
            return null;
        }
    }

    /** Bytes to Connect data. */
    void read(Converter converter, byte[] bytes) throws IOException {
        ObjectNode line = Notation.JSON.objectNode();
        line.set("in", Notation.bytes(bytes));
        try {
            SchemaAndValue read = converter.toConnectData("t", bytes);
            line.set("schema", Notation.schema(read.schema()));
            line.set("value", Notation.value(read.value()));
        } catch (RuntimeException error) {
            line.set("error", Notation.error(error));
        }
        add(line);
    }

    /** Connect data to bytes; gives the bytes. */
    byte[] write(Converter converter, Schema schema, Object value) throws IOException {
        return write(converter, schema, value, Notation.value(value));
    }

    /** The same for a value whose notation was made before: of a map it tells the order of insertion. */
    byte[] write(Converter converter, Schema schema, Object value, JsonNode notation) throws IOException {
        ObjectNode line = Notation.JSON.objectNode();
        line.set("schema", Notation.schema(schema));
        line.set("value", notation);
        byte[] bytes = null;
        try {
            bytes = converter.fromConnectData("t", schema, value);
            line.set("out", Notation.bytes(bytes));
        } catch (RuntimeException error) {
            line.set("error", Notation.error(error));
        }
        add(line);
        return bytes;
    }

    void add(ObjectNode line) throws IOException {
        add(line, 1);
    }

    /** A line that holds several cases. */
    void add(ObjectNode line, int cases) throws IOException {
        this.cases += cases;
        line(line);
    }

    /** A line that is no case of its own. */
    void line(ObjectNode line) throws IOException {
        out.write(line.toString());
        out.write('\n');
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
