// StringConverter, ByteArrayConverter, BooleanConverter and the number converters.

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.converters.BooleanConverter;
import org.apache.kafka.connect.converters.ByteArrayConverter;
import org.apache.kafka.connect.converters.DoubleConverter;
import org.apache.kafka.connect.converters.FloatConverter;
import org.apache.kafka.connect.converters.IntegerConverter;
import org.apache.kafka.connect.converters.LongConverter;
import org.apache.kafka.connect.converters.ShortConverter;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.StringConverter;

final class PlainCases {
    private static final byte[][] MALFORMED = {
        {(byte) 0xff}, {(byte) 0xc0, (byte) 0xaf}, {'a', (byte) 0xed, (byte) 0xa0, (byte) 0x80, 'b'}, {(byte) 0xe2, (byte) 0x82},
        {(byte) 0xf0, (byte) 0x9f, (byte) 0x98, 'x'}, {(byte) 0xf4, (byte) 0x90, (byte) 0x80, (byte) 0x80}, {(byte) 0x80},
        {(byte) 0xfe, (byte) 0xff, 0, 'a'}, {(byte) 0xff, (byte) 0xfe, 'a', 0}, {0, 'a'}, {'a', 0}, {'a'}, {0, 'a', 0}, {(byte) 0xd8, 0},
        {(byte) 0xd8, 0, 0, 'a'}, {0, (byte) 0xd8, 'a', 0}, {(byte) 0xdc, 0, 0, 'a'}, {(byte) 0xef, (byte) 0xbb, (byte) 0xbf, 'a'},
        {(byte) 0xfe, (byte) 0xff}, {0, 0, 0, 'a'}, {'a', 0, 0, 0}, {0, 0, (byte) 0xfe, (byte) 0xff, 0, 0, 0, 'a'},
        {(byte) 0xff, (byte) 0xfe, 0, 0, 'a', 0, 0, 0}, {0, 0x11, 0, 0}, {0, 0, (byte) 0xd8, 0}, {(byte) 0x81, (byte) 0x9f, (byte) 0xa0}
    };

    static void write(Vectors vectors) throws IOException {
        Samples samples = new Samples(1);
        for (Class<? extends Converter> type : List.of(ShortConverter.class, IntegerConverter.class, LongConverter.class,
            FloatConverter.class, DoubleConverter.class, BooleanConverter.class, ByteArrayConverter.class)) {
            fixed(vectors, samples, vectors.converter(type, Map.of()));
        }
        for (String encoding : new String[] {"UTF-8", "UTF8", "ISO-8859-1", "latin1", "US-ASCII", "ascii", "UTF-16", "utf_16", "UTF-16BE",
            "UTF-16LE", "UTF-32", "UTF-32BE", "UTF-32LE", "windows-1252", "cp1252", "nope", ""}) {
            strings(vectors, samples, encoding);
        }
    }

    private static void fixed(Vectors vectors, Samples samples, Converter converter) throws IOException {
        vectors.read(converter, null);
        for (int length = 0; length < 12; length++) {
            byte[] bytes = new byte[length];
            vectors.read(converter, bytes);
            for (int i = 0; i < (length == 1 ? 4 : 8); i++) {
                samples.random.nextBytes(bytes);
                vectors.read(converter, bytes);
            }
        }
        vectors.read(converter, new byte[] {1});
        vectors.read(converter, new byte[] {(byte) 0x7f, (byte) 0xc0, 0, 0});
        vectors.read(converter, new byte[] {(byte) 0x7f, (byte) 0xf8, 0, 0, 0, 0, 0, 0});
        for (Schema.Type type : Samples.SCALARS) {
            Schema schema = new SchemaBuilder(type).optional().build();
            vectors.write(converter, schema, null);
            vectors.write(converter, null, samples.value(schema, false));
            for (int i = 0; i < 3; i++) {
                vectors.write(converter, schema, samples.value(schema, false));
            }
        }
        vectors.write(converter, null, null);
        for (long value : Samples.LONGS) {
            vectors.write(converter, Schema.INT64_SCHEMA, value);
            vectors.write(converter, Schema.INT32_SCHEMA, (int) value);
            vectors.write(converter, Schema.INT16_SCHEMA, (short) value);
        }
        for (double value : Samples.DOUBLES) {
            vectors.write(converter, Schema.FLOAT64_SCHEMA, value);
            vectors.write(converter, null, value);
        }
        for (float value : Samples.FLOATS) {
            vectors.write(converter, Schema.OPTIONAL_FLOAT32_SCHEMA, value);
        }
        Schema struct = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).build();
        vectors.write(converter, struct, new Struct(struct).put("a", 1));
        vectors.write(converter, null, new java.util.ArrayList<>(List.of(1L)));
        vectors.write(converter, null, new java.util.HashMap<>(Map.of("a", 1L)));
        for (int i = 0; i < 10; i++) {
            // Logical types: what counts is the class of the value.
            Schema schema = samples.schema(0);
            vectors.write(converter, schema, samples.value(schema, true));
        }
    }

    private static void strings(Vectors vectors, Samples samples, String encoding) throws IOException {
        Converter converter = vectors.converter(StringConverter.class, Map.of("converter.encoding", encoding));
        if (converter == null) {
            return;
        }
        vectors.read(converter, null);
        vectors.write(converter, Schema.OPTIONAL_STRING_SCHEMA, null);
        for (byte[] bytes : MALFORMED) {
            vectors.read(converter, bytes);
        }
        for (String text : Samples.TEXTS) {
            vectors.write(converter, Schema.STRING_SCHEMA, text);
            vectors.read(converter, text.getBytes(StandardCharsets.UTF_8));
        }
        for (int i = 0; i < 10; i++) {
            vectors.read(converter, samples.bytes());
        }
        if (!encoding.equals("UTF-8")) {
            return;
        }
        for (int i = 0; i < 150; i++) {
            Object value = samples.schemaless(3, false);
            if (!hasBytes(value)) {
                vectors.write(converter, null, Samples.withHashMaps(value), Notation.value(value));
            }
        }
        for (int i = 0; i < 400; i++) {
            Schema schema = samples.schema(2);
            Object value = samples.value(schema, true);
            if (!hasBytes(value)) {
                vectors.write(converter, schema, Samples.withHashMaps(value), Notation.value(value));
            }
        }
        // As JDKs before 19 print it.
        vectors.write(converter, null, Float.MIN_NORMAL);
        for (long moment : Samples.MOMENTS) {
            vectors.write(converter, org.apache.kafka.connect.data.Timestamp.SCHEMA, new java.util.Date(moment));
        }
    }

    /** Java prints the identity of an array, which no two runs share. */
    static boolean hasBytes(Object value) {
        if (value instanceof List<?> list) {
            return list.stream().anyMatch(PlainCases::hasBytes);
        }
        if (value instanceof Map<?, ?> map) {
            return map.keySet().stream().anyMatch(PlainCases::hasBytes) || map.values().stream().anyMatch(PlainCases::hasBytes);
        }
        if (value instanceof Struct struct) {
            return struct.schema().fields().stream().anyMatch(field -> hasBytes(struct.get(field)));
        }
        return value instanceof byte[];
    }
}
