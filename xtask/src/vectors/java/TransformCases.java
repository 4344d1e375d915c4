// Transforms and predicates: what becomes of runs of records, which share topic, partition and schemas.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Configurable;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.header.Headers;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

final class TransformCases {
    private static final String PACKAGE = "org.apache.kafka.connect.transforms.";

    /**
     * One transform or predicate.
     *
     * @param random how many settings are random
     * @param runs how many runs of records each settings get
     */
    private record Subject(String name, boolean hasSides, int random, int runs) {
    }

    private static final Subject[] TRANSFORMS = {
        new Subject("Cast", true, 14, 11), new Subject("DropHeaders", false, 0, 10), new Subject("ExtractField", true, 0, 5),
        new Subject("Filter", false, 0, 6), new Subject("Flatten", true, 0, 16), new Subject("HeaderFrom", true, 12, 7),
        new Subject("HoistField", true, 0, 9), new Subject("InsertField", true, 14, 6), new Subject("InsertHeader", false, 0, 3),
        new Subject("MaskField", true, 10, 6), new Subject("RegexRouter", false, 0, 8), new Subject("ReplaceField", true, 16, 6),
        new Subject("SetSchemaMetadata", true, 0, 14), new Subject("TimestampConverter", true, 40, 6),
        new Subject("TimestampRouter", false, 0, 6), new Subject("ValueToKey", false, 10, 8)
    };
    private static final Subject[] PREDICATES = {
        new Subject("HasHeaderKey", false, 0, 10), new Subject("RecordIsTombstone", false, 0, 20), new Subject("TopicNameMatches", false, 0, 10)
    };
    private static final int ROWS_MAX = 5;

    static void writeTransforms(Vectors vectors) throws IOException {
        for (Subject subject : TRANSFORMS) {
            for (String side : subject.hasSides ? new String[] {"$Key", "$Value"} : new String[] {""}) {
                write(vectors, subject, side, "transform", PACKAGE);
            }
        }
    }

    static void writePredicates(Vectors vectors) throws IOException {
        for (Subject subject : PREDICATES) {
            write(vectors, subject, "", "predicate", PACKAGE + "predicates.");
        }
    }

    private static void write(Vectors vectors, Subject subject, String side, String kind, String in) throws IOException {
        RecordSamples.Theme theme = switch (subject.name) {
            case "TimestampConverter" -> RecordSamples.Theme.MOMENTS;
            case "ExtractField", "Flatten" -> RecordSamples.Theme.NESTED;
            default -> RecordSamples.Theme.ANY;
        };
        RecordSamples samples = new RecordSamples((subject.name + side).hashCode(), theme);
        String name = in + subject.name + side;
        if (!side.equals("$Key")) {
            for (Map<String, String> settings : TransformSettings.bad(subject.name)) {
                begin(vectors, kind, name, settings);
            }
        }
        for (Map<String, String> settings : TransformSettings.of(subject.name, samples, subject.random)) {
            Configurable made = begin(vectors, kind, name, settings);
            samples.pattern(settings.get("format"));
            boolean isWhole = isWhole(subject.name, settings);
            for (int i = 0; made != null && i < subject.runs; i++) {
                new Run(samples, subject.name, side.equals("$Key"), isWhole).write(vectors, made);
            }
        }
    }

    /** Whether the settings are for values that have no fields. */
    private static boolean isWhole(String name, Map<String, String> settings) {
        return switch (name) {
            case "Cast" -> !settings.get("spec").contains(":");
            case "TimestampConverter" -> settings.getOrDefault("field", "").isEmpty();
            default -> false;
        };
    }

    private static Configurable begin(Vectors vectors, String kind, String name, Map<String, String> settings) throws IOException {
        ObjectNode line = Notation.JSON.objectNode();
        line.put(kind, name);
        ObjectNode config = line.putObject("config");
        settings.forEach((key, value) -> config.put(key, Notation.text(value)));
        try {
            Configurable made = (Configurable) Class.forName(name).getDeclaredConstructor().newInstance();
            made.configure(settings);
            vectors.line(line);
            return made;
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        } catch (RuntimeException error) {
            line.set("error", error(error));
            vectors.add(line);
            return null;
        }
    }

    /** Without what changes from run to run, or with the version of the virtual machine. */
    private static JsonNode error(RuntimeException error) {
        ArrayNode out = Notation.JSON.arrayNode().add(error.getClass().getName());
        return error.getMessage() == null || error instanceof NullPointerException || error instanceof ClassCastException
            ? out.addNull()
            : out.add(Notation.text(error.getMessage().replaceAll("@[0-9a-f]+", "@")));
    }

    /** Records of one topic, partition and schema. */
    private static final class Run {
        private final RecordSamples samples;
        private final boolean isSink;
        private final String topic;
        private final Integer partition;
        private final long offset;
        private final Schema keySchema;
        private final Schema valueSchema;
        private final List<Object> keys;
        private final List<Object> values;
        private final List<Long> timestamps = new ArrayList<>();
        private final List<ConnectHeaders> headers = new ArrayList<>();

        Run(RecordSamples samples, String name, boolean isOfKeys, boolean isWhole) {
            this.samples = samples;
            isSink = samples.random.nextBoolean();
            topic = samples.topic();
            partition = isSink || samples.oneIn(2) ? Integer.valueOf(samples.random.nextInt(3)) : null;
            offset = samples.oneIn(3) ? 1L << 33 : samples.random.nextInt(100);
            int rows = 1 + samples.random.nextInt(ROWS_MAX);
            boolean isAboutParts = switch (name) {
                case "DropHeaders", "Filter", "InsertHeader", "RegexRouter", "HasHeaderKey", "RecordIsTombstone", "TimestampRouter", "TopicNameMatches" ->
                    false;
                default -> true;
            };
            boolean isPlain = isWhole ? !samples.oneIn(10) : samples.oneIn(12);
            Schema main = samples.oneIn(3) ? null : isPlain ? samples.plainSchema() : samples.structSchema(samples.oneIn(2) ? 2 : 1);
            Schema other = samples.oneIn(2) ? Schema.STRING_SCHEMA : null;
            if (!isAboutParts) {
                main = samples.oneIn(2) ? Schema.OPTIONAL_INT32_SCHEMA : null;
            }
            List<Object> mains = isAboutParts || main != null ? values(main, rows, isPlain) : others(null, rows);
            List<Object> others = others(other, rows);
            keySchema = isOfKeys ? main : other;
            valueSchema = isOfKeys ? other : main;
            keys = isOfKeys ? mains : others;
            values = isOfKeys ? others : mains;
            boolean hasHeaders = name.contains("Header") || samples.oneIn(6);
            for (int i = 0; i < rows; i++) {
                timestamps.add(samples.timestamp());
                headers.add(hasHeaders ? someHeaders() : new ConnectHeaders());
            }
        }

        private List<Object> values(Schema schema, int rows, boolean isPlain) {
            List<Object> values = new ArrayList<>();
            boolean isJson = samples.random.nextBoolean();
            boolean isShaped = samples.random.nextBoolean();
            // A tombstone has no schema.
            boolean isNull = schema == null && samples.oneIn(12);
            for (int i = 0; i < rows; i++) {
                if (isNull || samples.oneIn(schema == null || schema.isOptional() ? 6 : 40)) {
                    values.add(null);
                } else if (schema != null) {
                    values.add(samples.value(schema, false));
                } else if (isPlain) {
                    values.add(samples.schemaless(1, isJson));
                } else {
                    Object first = values.stream().filter(value -> value != null).findFirst().orElse(null);
                    values.add(isShaped && first != null ? samples.like(first) : samples.map(2, isJson));
                }
            }
            return values;
        }

        /** Values that the transform is not about. */
        private List<Object> others(Schema schema, int rows) {
            List<Object> values = new ArrayList<>();
            boolean isNull = samples.oneIn(2);
            for (int i = 0; i < rows; i++) {
                values.add(schema != null ? "v" + i : isNull ? null : (Object) (long) i);
            }
            return values;
        }

        private ConnectHeaders someHeaders() {
            ConnectHeaders headers = new ConnectHeaders();
            for (int i = samples.random.nextInt(4); i > 0; i--) {
                String key = samples.pick(List.of("h", "i", "é"));
                switch (samples.random.nextInt(5)) {
                    case 0 -> headers.add(key, samples.text(), Schema.STRING_SCHEMA);
                    case 1 -> headers.add(key, (int) samples.integer(), Schema.INT32_SCHEMA);
                    case 2 -> headers.add(key, null, null);
                    case 3 -> headers.add(key, samples.moment() > 0, null);
                    default -> headers.add(key, null, Schema.OPTIONAL_FLOAT64_SCHEMA);
                }
            }
            return headers;
        }

        private ConnectRecord<?> record(int row) {
            Object key = Samples.withHashMaps(keys.get(row));
            Object value = Samples.withHashMaps(values.get(row));
            Long timestamp = timestamps.get(row);
            Headers copy = headers.get(row).duplicate();
            if (isSink) {
                TimestampType type = timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME;
                return new SinkRecord(topic, partition, keySchema, key, valueSchema, value, offset + row, timestamp, type, copy);
            }
            Map<String, ?> position = Map.of("row", offset + row);
            return new SourceRecord(null, position, topic, partition, keySchema, key, valueSchema, value, timestamp, copy);
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        void write(Vectors vectors, Configurable made) throws IOException {
            ObjectNode line = Notation.JSON.objectNode();
            line.put("t", topic);
            if (partition != null) {
                line.put("p", partition);
            }
            line.put(isSink ? "sink" : "source", offset);
            setUnlessNull(line, "ks", Notation.schema(keySchema));
            setUnlessNull(line, "vs", Notation.schema(valueSchema));
            ArrayNode rows = line.putArray("rows");
            List<Schema> schemas = new ArrayList<>();
            ArrayNode out = Notation.JSON.arrayNode();
            for (int i = 0; i < timestamps.size(); i++) {
                ArrayNode row = rows.addArray();
                row.add(Notation.value(keys.get(i))).add(Notation.value(values.get(i)));
                ArrayNode headers = headers(this.headers.get(i));
                if (timestamps.get(i) != null || !headers.isEmpty()) {
                    row.add(timestamps.get(i));
                }
                if (!headers.isEmpty()) {
                    row.add(headers);
                }
                ConnectRecord<?> record = record(i);
                try {
                    out.add(made instanceof Predicate predicate
                        ? Notation.JSON.booleanNode(predicate.test(record))
                        : changes(i, headers, ((Transformation) made).apply(record), schemas));
                } catch (RuntimeException error) {
                    out.add(error(error));
                }
            }
            if (!schemas.isEmpty()) {
                ArrayNode list = line.putArray("s");
                schemas.forEach(schema -> list.add(Notation.schema(schema)));
            }
            line.set("out", out);
            vectors.add(line, timestamps.size());
        }

        /** What a record has that the one which went in has not; null when it was dropped. */
        private JsonNode changes(int row, ArrayNode before, ConnectRecord<?> after, List<Schema> schemas) {
            if (after == null) {
                return Notation.JSON.nullNode();
            }
            ObjectNode out = Notation.JSON.objectNode();
            if (!topic.equals(after.topic())) {
                out.put("t", Notation.text(after.topic()));
            }
            if (!java.util.Objects.equals(partition, after.kafkaPartition())) {
                out.put("p", after.kafkaPartition());
            }
            if (!java.util.Objects.equals(timestamps.get(row), after.timestamp())) {
                out.put("ts", after.timestamp());
            }
            part(out, "k", keySchema, keys.get(row), after.keySchema(), after.key(), schemas);
            part(out, "v", valueSchema, values.get(row), after.valueSchema(), after.value(), schemas);
            ArrayNode headers = headers(after.headers());
            if (!headers.equals(before)) {
                out.set("h", headers);
            }
            return out;
        }

        private static void part(
            ObjectNode out, String name, Schema schemaBefore, Object before, Schema schemaAfter, Object after, List<Schema> schemas) {
            if (!java.util.Objects.equals(schemaBefore, schemaAfter)) {
                int known = schemas.indexOf(schemaAfter);
                if (known < 0 && schemaAfter != null) {
                    known = schemas.size();
                    schemas.add(schemaAfter);
                }
                out.put(name + "s", known);
            }
            JsonNode notation = Notation.value(after);
            if (!notation.equals(Notation.value(Samples.withHashMaps(before)))) {
                out.set(name, notation);
            }
        }

        private static ArrayNode headers(Headers headers) {
            ArrayNode out = Notation.JSON.arrayNode();
            for (Header header : headers) {
                out.addArray().add(Notation.text(header.key())).add(Notation.schema(header.schema())).add(Notation.value(header.value()));
            }
            return out;
        }

        private static void setUnlessNull(ObjectNode line, String key, JsonNode node) {
            if (!node.isNull()) {
                line.set(key, node);
            }
        }
    }
}
