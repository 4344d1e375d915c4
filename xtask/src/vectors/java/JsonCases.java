// JsonConverter, both ways, with and without envelope.

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;

final class JsonCases {
    private static final Map<String, String> SCHEMALESS = Map.of("schemas.enable", "false");

    /** Payloads, good and bad, for every type. */
    private static final String[] PAYLOADS = {
        "null", "true", "false", "0", "-0", "1", "-1", "007", "127", "128", "300", "32768", "70000", "2147483647", "2147483648",
        "-2147483649", "9223372036854775807", "9223372036854775808", "18446744073709551617", "1.0", "1.9", "-1.9", "-0.0", "1e3", "1E+3",
        "12345e-2", "1e400", "1e-400", "1.5", "0.1", "16777217", "3.4028236e38", "86400000", "86400001", "-5", "\"\"", "\"a\"", "\"1\"",
        "\"AQI=\"", "\"AQI\"", "\"A QI=\"", "\"____\"", "\"ü€😀\"", "\"\\u00fc\\ud83d\\ude00\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\n\\/\\b\"", "[]",
        "[1]", "[1,\"a\",null,true]", "[[1,2],[3,4]]", "[[1]]", "[[1,2,3]]", "[[\"a\",1],[\"a\",2]]", "[[null,1]]", "[null]", "{}", "{\"a\":1}",
        "{\"a\":\"x\",\"b\":2}", "{\"a\":1,\"a\":2}", "{\"a\":null}", "{\"b\":{\"c\":[1,{\"d\":null}]}}", "{\"a\":[1,2]}"
    };
    private static final String[] LENIENT = {
        "", " ", "\t\r\n", "1 x", "{\"a\":1}garbage", "[1,]", "[,1]", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}", "[1 2]", "nul", "nulls", "truex",
        "true1", "true ", "NaN", "Infinity", "-Infinity", "+1", ".5", "5.", "1.e3", "1e", "1e+", "0x10", "00", "-", "--1", "-01", "1e2147483648",
        "1e99999999999", "1_000", "\"a", "a\"", "\"\t\"", "\"\u0001\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "// c\n1", "/* c */1", "[", "]", "{",
        "}", "{\"a\"}", "{\"a\":}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "\u00a01", "\ufeff1", "1;", "1,", "1,2", "1]", "1\"", "1{", "1/",
        "1#", "\u0000", "\"\u007f\u0080\u2028\"", "[1] [2]", "{\"\":1}", "{\"a\":{\"a\":{\"a\":{}}}}", "[[[[[[[[]]]]]]]]", "1.0000000000000000000000000000001",
        "123456789012345678901234567890", "-123456789012345678901234567890", "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324",
        "2e-324", "0.1e1", "100e-2", "1E5", "0e0", "0.0e-5", "-0e3", "1e15", "1e16", "1e22", "1e23", "9007199254740993", "9007199254740993.0"
    };
    private static final byte[][] BROKEN = {
        {'"', (byte) 0xc0, (byte) 0xaf, '"'}, {'"', (byte) 0xf4, (byte) 0x90, (byte) 0x80, (byte) 0x80, '"'},
        {'"', (byte) 0xed, (byte) 0xa0, (byte) 0x80, '"'}, {'"', (byte) 0xff, '"'}, {'"', (byte) 0xe2, (byte) 0x82, '"'},
        {'"', (byte) 0x80, '"'}, {'"', (byte) 0xf8, (byte) 0x88, (byte) 0x80, (byte) 0x80, (byte) 0x80, '"'}, {(byte) 0xc0, (byte) 0xb1},
        {'"', (byte) 0xc0, (byte) 0xa2, '"'}, {'"', (byte) 0xe0, (byte) 0x80, (byte) 0x80, '"'}, {'"', (byte) 0xc1, (byte) 0x81, '"'},
        {'"', (byte) 0xf0, (byte) 0x80, (byte) 0x80, (byte) 0xaf, '"'}, {'"', (byte) 0xc3}, {'"', (byte) 0xc3, '"'}, {(byte) 0xef, (byte) 0xbb},
        {(byte) 0xef, (byte) 0xbb, (byte) 0xbf}, {(byte) 0xfe, (byte) 0xff}, {0}, {0, 0, 0}, {'1', 0}, {0, '1'}, {'{', (byte) 0xff, '}'}
    };

    static void writeReads(Vectors vectors) throws IOException {
        Samples samples = new Samples(2);
        Converter schemaless = vectors.converter(JsonConverter.class, SCHEMALESS);
        vectors.read(schemaless, null);
        documents(vectors, schemaless);
        for (int i = 0; i < 350; i++) {
            byte[] document = schemaless.fromConnectData("t", null, samples.schemaless(3, true));
            vectors.read(schemaless, document);
            vectors.read(schemaless, mutated(samples, document == null ? utf8("null") : document));
        }
        Converter enveloped = vectors.converter(JsonConverter.class, Map.of());
        vectors.read(enveloped, null);
        documents(vectors, enveloped);
        envelopes(vectors, enveloped);
        for (String payload : PAYLOADS) {
            vectors.read(enveloped, utf8("{\"schema\":null,\"payload\":" + payload + "}"));
        }
        for (String schema : schemas()) {
            for (String payload : PAYLOADS) {
                if (schema.startsWith("{\"type\":\"i") || schema.startsWith("{\"type\":\"f") || samples.oneIn(2)) {
                    vectors.read(enveloped, utf8("{\"schema\":" + schema + ",\"payload\":" + payload + "}"));
                }
            }
        }
        for (int i = 0; i < 500; i++) {
            Schema schema = samples.schema(2);
            byte[] document;
            try {
                document = enveloped.fromConnectData("t", schema, samples.value(schema, true));
            } catch (RuntimeException error) {
                continue;
            }
            vectors.read(enveloped, document);
            if (samples.oneIn(2)) {
                vectors.read(enveloped, mutated(samples, document));
            }
        }
        vectors.read(enveloped, utf8("{\"schema\":{\"type\":\"map\",\"keys\":{\"type\":\"int8\",\"optional\":true},"
            + "\"values\":{\"type\":\"int8\"}},\"payload\":[[null,1]]}"));
        Converter nulls = vectors.converter(JsonConverter.class, Map.of("replace.null.with.default", "false"));
        for (String kind : new String[] {"int32\",\"default\":7", "string\",\"default\":\"d", "boolean\",\"default\":true"}) {
            String type = kind.endsWith("d") ? "{\"type\":\"" + kind + "\"" : "{\"type\":\"" + kind;
            for (String optional : new String[] {"true", "false"}) {
                String schema = type + ",\"optional\":" + optional;
                for (Converter converter : new Converter[] {nulls}) {
                    vectors.read(converter, utf8("{\"schema\":" + schema + "},\"payload\":null}"));
                    String field = schema + ",\"field\":\"a\"}";
                    vectors.read(converter, utf8("{\"schema\":{\"type\":\"struct\",\"fields\":[" + field + "]},\"payload\":{}}"));
                    vectors.read(converter, utf8("{\"schema\":{\"type\":\"struct\",\"fields\":[" + field + "]},\"payload\":{\"a\":null}}"));
                    vectors.read(converter, utf8("{\"schema\":{\"type\":\"array\",\"items\":" + schema + "}},\"payload\":[null]}"));
                }
            }
        }
        fixedSchemas(vectors);
    }

    private static void documents(Vectors vectors, Converter converter) throws IOException {
        for (String text : LENIENT) {
            vectors.read(converter, utf8(text));
        }
        for (String text : PAYLOADS) {
            vectors.read(converter, utf8(text));
        }
        for (byte[] bytes : BROKEN) {
            vectors.read(converter, bytes);
        }
        String text = "{\"schema\":null,\"payload\":{\"ü\":\"😀\"}}";
        for (String charset : new String[] {"UTF-16BE", "UTF-16LE", "UTF-16", "UTF-32BE", "UTF-32LE"}) {
            vectors.read(converter, text.getBytes(Charset.forName(charset)));
            vectors.read(converter, ("\ufeff" + text).getBytes(Charset.forName(charset)));
        }
        vectors.read(converter, utf8("\ufeff" + text));
        for (int depth : new int[] {100, 500, 999, 1000, 1001, 1200}) {
            vectors.read(converter, utf8("[".repeat(depth) + "]".repeat(depth)));
        }
        for (int length : new int[] {999, 1000, 1001}) {
            vectors.read(converter, utf8("9".repeat(length)));
            vectors.read(converter, utf8("0." + "1".repeat(length - 2)));
        }
        for (int length : new int[] {50_000, 50_001}) {
            // Only one of each, because they are long.
            if (converter.toConnectData("t", utf8("{\"schema\":null,\"payload\":1}")).schema() == null && length > 50_000) {
                vectors.read(converter, utf8("{\"" + "n".repeat(length) + "\":1}"));
            }
        }
    }

    private static void envelopes(Vectors vectors, Converter converter) throws IOException {
        for (String text : new String[] {
            "{\"schema\":null}", "{\"payload\":1}", "{\"schema\":null,\"payload\":1,\"x\":2}", "{\"payload\":1,\"schema\":null}",
            "{\"schema\":null,\"payload\":1,\"schema\":{\"type\":\"int8\"}}", "{\"schema\":{\"type\":\"int8\"},\"payload\":1}x",
            "{\"schema\":{\"type\":\"int8\"},\"payload\":1,\"payload\":2}", "{\"schema\":{},\"payload\":1}", "{\"schema\":[],\"payload\":1}",
            "{\"schema\":1,\"payload\":1}", "{\"schema\":\"int8\",\"payload\":1}", "{\"schema\":{\"type\":null},\"payload\":1}",
            "{\"schema\":{\"type\":5},\"payload\":1}", "{\"schema\":{\"type\":\"INT8\"},\"payload\":1}", "{\"schema\":{\"type\":\"float32\"},\"payload\":1}"
        }) {
            vectors.read(converter, utf8(text));
        }
        for (String schema : new String[] {
            "{\"type\":\"array\"}", "{\"type\":\"array\",\"items\":null}", "{\"type\":\"array\",\"items\":{}}", "{\"type\":\"map\"}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\"}}", "{\"type\":\"map\",\"keys\":null,\"values\":{\"type\":\"int8\"}}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":null}", "{\"type\":\"struct\"}", "{\"type\":\"struct\",\"fields\":{}}",
            "{\"type\":\"struct\",\"fields\":[]}", "{\"type\":\"struct\",\"fields\":[null]}", "{\"type\":\"struct\",\"fields\":[{\"type\":\"int8\"}]}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"\",\"type\":\"int8\"}]}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\"}]}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":1,\"type\":\"int8\"}]}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int8\"},{\"field\":\"a\",\"type\":\"int16\"}]}",
            "{\"type\":\"int8\",\"optional\":\"true\"}", "{\"type\":\"int8\",\"optional\":1}", "{\"type\":\"int8\",\"version\":\"1\"}",
            "{\"type\":\"int8\",\"version\":1.5}", "{\"type\":\"int8\",\"version\":3000000000}", "{\"type\":\"int8\",\"name\":5}", "{\"type\":\"int8\",\"doc\":5}",
            "{\"type\":\"int8\",\"parameters\":[]}", "{\"type\":\"int8\",\"parameters\":{\"a\":1}}", "{\"type\":\"int8\",\"parameters\":{\"a\":\"1\",\"b\":\"\"}}",
            "{\"type\":\"int8\",\"parameters\":null}", "{\"type\":\"int8\",\"default\":null}", "{\"type\":\"int8\",\"default\":\"x\"}", "{\"type\":\"int8\",\"default\":300}",
            "{\"type\":\"string\",\"default\":5}", "{\"type\":\"string\",\"default\":5,\"optional\":true}", "{\"type\":\"bytes\",\"default\":\"AQI=\"}",
            "{\"type\":\"bytes\",\"default\":\"?\"}", "{\"type\":\"array\",\"items\":{\"type\":\"int8\"},\"default\":[1]}",
            "{\"type\":\"struct\",\"fields\":[],\"default\":{}}", "{\"type\":\"struct\",\"fields\":[{\"type\":\"int8\",\"field\":\"a\"}],\"default\":{\"a\":1}}",
            "{\"type\":\"struct\",\"fields\":[],\"default\":null}", "{\"type\":\"struct\",\"optional\":true,\"fields\":[],\"default\":null}",
            "{\"type\":\"int32\",\"name\":\"org.apache.kafka.connect.data.Date\",\"version\":1,\"default\":5}",
            "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"2\"},\"default\":\"AMg=\"}",
            "{\"type\":\"int8\",\"extra\":1}", "{\"optional\":true,\"type\":\"int8\"}"
        }) {
            for (String payload : new String[] {"1", "null", "{}", "[1]"}) {
                vectors.read(converter, utf8("{\"schema\":" + schema + ",\"payload\":" + payload + "}"));
            }
        }
    }

    private static List<String> schemas() {
        List<String> schemas = new ArrayList<>();
        for (String type : new String[] {"int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes"}) {
            schemas.add("{\"type\":\"" + type + "\",\"optional\":true}");
        }
        schemas.add("{\"type\":\"string\"}");
        schemas.add("{\"type\":\"int32\"}");
        schemas.add("{\"type\":\"int32\",\"default\":5}");
        schemas.add("{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,\"parameters\":{\"scale\":\"2\"}}");
        schemas.add("{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,\"parameters\":{\"scale\":\"x\"}}");
        schemas.add("{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1}");
        schemas.add("{\"type\":\"int32\",\"name\":\"org.apache.kafka.connect.data.Date\",\"version\":1,\"optional\":true}");
        schemas.add("{\"type\":\"int32\",\"name\":\"org.apache.kafka.connect.data.Time\",\"version\":1}");
        schemas.add("{\"type\":\"int64\",\"name\":\"org.apache.kafka.connect.data.Timestamp\",\"version\":1}");
        schemas.add("{\"type\":\"array\",\"items\":{\"type\":\"int32\",\"optional\":true}}");
        schemas.add("{\"type\":\"array\",\"items\":{\"type\":\"string\"}}");
        schemas.add("{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"double\"}}}");
        schemas.add("{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"int64\",\"optional\":true}}");
        schemas.add("{\"type\":\"map\",\"keys\":{\"type\":\"int32\"},\"values\":{\"type\":\"int32\"}}");
        schemas.add("{\"type\":\"map\",\"keys\":{\"type\":\"string\",\"optional\":true},\"values\":{\"type\":\"string\"}}");
        schemas.add("{\"type\":\"map\",\"keys\":{\"type\":\"int8\",\"optional\":true},\"values\":{\"type\":\"string\",\"optional\":true}}");
        for (String item : new String[] {"int32", "string", "bytes", "boolean"}) {
            schemas.add("{\"type\":\"struct\",\"fields\":[{\"type\":\"" + item + "\",\"field\":\"a\"}]}");
            schemas.add("{\"type\":\"struct\",\"fields\":[{\"type\":\"" + item + "\",\"optional\":true,\"field\":\"a\"}],\"optional\":true,\"name\":\"s\"}");
        }
        schemas.add("{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"default\":7,\"field\":\"z\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"field\":\"a\"}]}");
        schemas.add("{\"type\":\"struct\",\"fields\":[{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"string\"},\"field\":\"b\",\"optional\":true}]}");
        return schemas;
    }

    /** {@code schema.content}: KIP-1054. */
    private static void fixedSchemas(Vectors vectors) throws IOException {
        for (String schema : new String[] {
            "{\"type\":\"int32\"}", "{\"type\":\"string\",\"optional\":true}", "{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"field\":\"a\"}]}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"int8\"}}", "{\"type\":\"map\",\"keys\":{\"type\":\"int8\"},\"values\":{\"type\":\"int8\"}}",
            "{\"type\":\"array\",\"items\":{\"type\":\"int8\"}}", "", "null", "{", "{}", "5"
        }) {
            Converter converter = vectors.converter(JsonConverter.class, Map.of("schema.content", schema));
            if (converter == null) {
                continue;
            }
            vectors.read(converter, null);
            for (String payload : new String[] {"", " ", "null", "1", "\"a\"", "{\"a\":5}", "{\"a\":5}x", "[[1,2]]", "{", "{\"schema\":null,\"payload\":1}"}) {
                vectors.read(converter, utf8(payload));
            }
            vectors.write(converter, Schema.INT32_SCHEMA, 5);
            vectors.write(converter, null, Map.of("a", 5L));
        }
        for (Map<String, String> settings : List.of(
            Map.of("schemas.enable", "maybe"), Map.of("schemas.cache.size", "x"), Map.of("schemas.cache.size", "0"), Map.of("decimal.format", "hex"),
            Map.of("decimal.format", "numeric"), Map.of("replace.null.with.default", "1"), Map.of("schemas.enable", " FALSE "))) {
            Converter converter = vectors.converter(JsonConverter.class, settings);
            if (converter != null) {
                vectors.read(converter, utf8("{\"schema\":{\"type\":\"int8\"},\"payload\":1}"));
            }
        }
    }

    static void writeWrites(Vectors vectors) throws IOException {
        Samples samples = new Samples(3);
        List<Map<String, String>> configs = List.of(Map.of(), SCHEMALESS, Map.of("decimal.format", "NUMERIC"),
            Map.of("schemas.enable", "false", "decimal.format", "numeric", "replace.null.with.default", "false"));
        for (Map<String, String> settings : configs) {
            Converter converter = vectors.converter(JsonConverter.class, settings);
            vectors.write(converter, null, null);
            for (Schema.Type type : Samples.SCALARS) {
                Schema required = new SchemaBuilder(type).build();
                Schema optional = new SchemaBuilder(type).optional().build();
                vectors.write(converter, required, null);
                vectors.write(converter, optional, null);
                for (Schema.Type other : Samples.SCALARS) {
                    vectors.write(converter, required, samples.value(new SchemaBuilder(other).build(), false));
                }
            }
            for (String text : Samples.TEXTS) {
                vectors.write(converter, null, text);
            }
            for (double number : Samples.DOUBLES) {
                vectors.write(converter, Schema.FLOAT64_SCHEMA, number);
            }
            for (float number : Samples.FLOATS) {
                vectors.write(converter, null, number);
            }
            logical(vectors, samples, converter);
            for (int i = 0; i < 120; i++) {
                vectors.write(converter, null, samples.schemaless(3, false));
            }
            for (int i = 0; i < 300; i++) {
                Schema schema = samples.schema(2);
                vectors.write(converter, schema, samples.value(schema, true));
            }
            Schema one = SchemaBuilder.struct().field("a", Schema.INT32_SCHEMA).build();
            Schema two = SchemaBuilder.struct().field("a", Schema.OPTIONAL_INT32_SCHEMA).build();
            vectors.write(converter, one, 5);
            vectors.write(converter, one, new java.util.HashMap<>(Map.of("a", 5)));
            vectors.write(converter, SchemaBuilder.array(Schema.INT32_SCHEMA).build(), List.of("a"));
            vectors.write(converter, SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA).build(), Map.of("a", "b"));
            vectors.write(converter, SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA).build(), Map.of(1, 2));
            vectors.write(converter, SchemaBuilder.struct().field("d", SchemaBuilder.int32().defaultValue(5).build()).optional().build(), null);
            vectors.write(converter, two, new Struct(two));
            Map<Object, Object> nullKey = new java.util.HashMap<>();
            nullKey.put(null, 1);
            vectors.write(converter, SchemaBuilder.map(Schema.OPTIONAL_STRING_SCHEMA, Schema.INT32_SCHEMA).build(), nullKey);
            Object deep = 1L;
            for (int i = 0; i < 300; i++) {
                deep = i % 2 == 0 ? List.of(deep) : Map.of("k", deep);
            }
            vectors.write(converter, null, deep);
        }
    }

    private static void logical(Vectors vectors, Samples samples, Converter converter) throws IOException {
        for (int scale : new int[] {0, 2, -3, 10, 40}) {
            for (String decimal : Samples.DECIMALS) {
                vectors.write(converter, Decimal.schema(scale), new java.math.BigDecimal(new java.math.BigDecimal(decimal).unscaledValue(), scale));
            }
        }
        for (long moment : Samples.MOMENTS) {
            vectors.write(converter, Timestamp.SCHEMA, new java.util.Date(moment));
            vectors.write(converter, Date.SCHEMA, new java.util.Date((int) (moment / Samples.DAY) * Samples.DAY));
            vectors.write(converter, Time.SCHEMA, new java.util.Date(Math.floorMod(moment, Samples.DAY)));
        }
        vectors.write(converter, Time.SCHEMA, new java.util.Date(Samples.DAY));
        vectors.write(converter, Time.SCHEMA, new java.util.Date(-1));
        vectors.write(converter, Time.SCHEMA, new java.util.Date(Samples.DAY + 5));
        vectors.write(converter, Date.SCHEMA, 5);
        vectors.write(converter, Decimal.schema(2), "x");
        vectors.write(converter, null, new java.util.Date(0));
        vectors.write(converter, null, new java.math.BigDecimal("1.50"));
        vectors.write(converter, null, List.of(new java.util.Date(0)));
    }

    /** The document with one or two small faults. */
    private static byte[] mutated(Samples samples, byte[] document) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int at = document.length == 0 ? 0 : samples.random.nextInt(document.length);
        out.write(document, 0, at);
        String interesting = "{}[]:,\"\\0123456789-+.eEtfn u\t";
        switch (samples.random.nextInt(4)) {
            case 0 -> { }
            case 1 -> {
                out.write(interesting.charAt(samples.random.nextInt(interesting.length())));
                out.write(document, at, document.length - at);
            }
            case 2 -> out.write(document, Math.min(at + 1, document.length), document.length - Math.min(at + 1, document.length));
            default -> {
                out.write(samples.random.nextInt(256));
                out.write(document, Math.min(at + 1, document.length), document.length - Math.min(at + 1, document.length));
            }
        }
        return out.toByteArray();
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
