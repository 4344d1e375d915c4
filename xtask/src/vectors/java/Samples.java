// Schemas and values to convert: every edge of each type, and random ones around them.

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

class Samples {
    static final long DAY = 86_400_000L;
    static final String[] TEXTS = {
        "", " ", "a", "plain text", "null", "true", "0", "12", "1.5", "quote\" and \\ backslash", "tab\tnewline\nreturn\r",
        "\u0000\u0001\u001f\u007f", "ü", "€uro", "日本語", "😀", "a😀b\uD83D\uDE80", "\u2028\u2029", "\ufeff",
        "more than twelve bytes of text", "[1,2]", "{\"a\":1}", "</script>", "a,b:c", "é", "\u0663", "'single'", "a\u0000b"
    };
    static final double[] DOUBLES = {
        0.0, -0.0, 1.0, -1.0, 0.1, 1.5, 100.0, 1e7, 1.0E-3, 9.99E-4, 123456.789, 9999999.0, 12345678.9, 1e10, 1e22, 1e300, -1e-300,
        Double.MAX_VALUE, Double.MIN_VALUE, Double.MIN_NORMAL, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY,
        3.141592653589793, 2147483648.0, 9.223372036854775807E18
    };
    static final float[] FLOATS = {
        0.0f, -0.0f, 1.0f, -1.5f, 0.1f, 3.3f, 1e7f, 1.0E-3f, 9.99E-4f, 16777216f, 1e10f, Float.MAX_VALUE, Float.MIN_VALUE,
        Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY
    };
    static final long[] LONGS = {
        0, 1, -1, 9, 10, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 65535, Integer.MAX_VALUE, Integer.MIN_VALUE,
        1L << 31, 1L << 32, (1L << 53) + 1, 999999999999999999L, Long.MAX_VALUE, Long.MIN_VALUE
    };
    static final String[] DECIMALS = {
        "0", "1", "-1", "0.00", "1.5", "-1.50", "127", "128", "-128", "-129", "255", "0.000001", "0.0000001", "1E-7", "1.2E+10", "1E+3",
        "12345678901234567890.123456789", "-99999999999999999999999999999999999999", "1E-40", "0E+5", "0E-10", "32767.99"
    };
    static final long[] MOMENTS = {
        0, 1, -1, 999, 1000, DAY - 1, DAY, -DAY, DAY + 1, -DAY - 1, 1_700_000_000_000L, 951_782_400_000L, 4_102_444_800_000L,
        253_402_300_799_999L, 253_402_300_800_000L, 32_503_680_000_000_000L, -12_219_292_800_000L, -12_219_292_800_001L,
        -62_135_596_800_000L, -62_135_769_600_001L, -62_167_219_200_000L, -100_000_000_000_000L, Long.MAX_VALUE, Long.MIN_VALUE
    };
    static final Schema.Type[] SCALARS = {
        Schema.Type.INT8, Schema.Type.INT16, Schema.Type.INT32, Schema.Type.INT64, Schema.Type.FLOAT32, Schema.Type.FLOAT64,
        Schema.Type.BOOLEAN, Schema.Type.STRING, Schema.Type.BYTES
    };

    final Random random;

    Samples(long seed) {
        random = new Random(seed);
    }

    <T> T pick(List<T> from) {
        return from.get(random.nextInt(from.size()));
    }

    boolean oneIn(int count) {
        return random.nextInt(count) == 0;
    }

    String text() {
        if (!oneIn(3)) {
            return TEXTS[random.nextInt(TEXTS.length)];
        }
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(20); i > 0; i--) {
            text.appendCodePoint(switch (random.nextInt(6)) {
                case 0 -> random.nextInt(0x20);
                case 1 -> 0x80 + random.nextInt(0x780);
                case 2 -> 0x800 + random.nextInt(0xD000);
                case 3 -> 0x10000 + random.nextInt(0x100000);
                default -> 0x20 + random.nextInt(0x5F);
            });
        }
        return text.toString();
    }

    byte[] bytes() {
        byte[] bytes = new byte[oneIn(4) ? 0 : random.nextInt(24)];
        random.nextBytes(bytes);
        return bytes;
    }

    long integer() {
        return switch (random.nextInt(3)) {
            case 0 -> random.nextLong() >> random.nextInt(64);
            default -> LONGS[random.nextInt(LONGS.length)];
        };
    }

    /** Whether a number prints with no more digits than it needs: JDKs before 19 print some with more. */
    private static boolean hasDigitsOf(String printed, String text) {
        return new BigDecimal(printed).stripTrailingZeros().precision() <= new BigDecimal(text).stripTrailingZeros().precision();
    }

    double number() {
        if (!oneIn(3)) {
            return DOUBLES[random.nextInt(DOUBLES.length)];
        }
        String text = (random.nextInt(2_000_000) - 1_000_000) + "E" + (random.nextInt(40) - 20);
        double number = Double.parseDouble(text);
        return hasDigitsOf(Double.toString(number), text) ? number : 0.5;
    }

    float single() {
        if (!oneIn(3)) {
            return FLOATS[random.nextInt(FLOATS.length)];
        }
        String text = (random.nextInt(2_000) - 1_000) + "E" + (random.nextInt(20) - 10);
        float number = Float.parseFloat(text);
        return hasDigitsOf(Float.toString(number), text) ? number : 0.5f;
    }

    BigDecimal decimal() {
        if (!oneIn(3)) {
            return new BigDecimal(DECIMALS[random.nextInt(DECIMALS.length)]);
        }
        return new BigDecimal(new BigInteger(random.nextInt(140), random).negate(), random.nextInt(50) - 8);
    }

    long moment() {
        return oneIn(3) ? random.nextLong() >> random.nextInt(30) : MOMENTS[random.nextInt(MOMENTS.length)];
    }

    /** A value without a schema: what JSON can hold, and more where {@code isJson} is false. */
    Object schemaless(int depth, boolean isJson) {
        int kinds = isJson ? 5 : 10;
        int kind = random.nextInt(depth > 0 ? kinds + 2 : kinds);
        if (kind >= kinds) {
            int size = random.nextInt(5);
            if (kind == kinds) {
                List<Object> list = new ArrayList<>();
                for (int i = 0; i < size; i++) {
                    list.add(schemaless(depth - 1, isJson));
                }
                return list;
            }
            Map<Object, Object> map = new LinkedHashMap<>();
            for (int i = 0; i < size; i++) {
                Object key = isJson || !oneIn(5) ? text() : schemaless(0, false);
                // A list of bytes or -0.0 as a key is nothing that anybody has.
                map.put(key instanceof byte[] || key == null ? "k" + i : key, schemaless(depth - 1, isJson));
            }
            return map;
        }
        return switch (kind) {
            case 0 -> null;
            case 1 -> random.nextBoolean();
            case 2 -> integer();
            case 3 -> number();
            case 4 -> text();
            case 5 -> (byte) integer();
            case 6 -> (short) integer();
            case 7 -> (int) integer();
            case 8 -> single();
            default -> bytes();
        };
    }

    Schema schema(int depth) {
        int kind = random.nextInt(depth > 0 ? 22 : 13);
        SchemaBuilder builder;
        if (kind < 9) {
            builder = new SchemaBuilder(SCALARS[kind]);
        } else if (kind == 9) {
            builder = Decimal.builder(random.nextInt(12) - 3);
        } else if (kind == 10) {
            builder = Date.builder();
        } else if (kind == 11) {
            builder = Time.builder();
        } else if (kind == 12) {
            builder = Timestamp.builder();
        } else if (kind < 16) {
            builder = SchemaBuilder.array(schema(depth - 1));
        } else if (kind < 19) {
            Schema keys = oneIn(3) ? schema(0) : oneIn(4) ? Schema.OPTIONAL_STRING_SCHEMA : Schema.STRING_SCHEMA;
            // Arrays have no equality in Java: as keys they are of no use.
            builder = SchemaBuilder.map(keys.type() == Schema.Type.BYTES ? Schema.INT32_SCHEMA : keys, schema(depth - 1));
        } else {
            builder = SchemaBuilder.struct();
            int fields = random.nextInt(6);
            for (int i = 0; i < fields; i++) {
                builder.field(oneIn(4) ? "f " + i + "\"é" : "f" + i, schema(depth - 1));
            }
        }
        if (random.nextBoolean()) {
            builder.optional();
        }
        if (kind < 9 || kind > 12) {
            if (oneIn(6)) {
                builder.name("org.example.Name" + random.nextInt(3)).version(random.nextInt(4));
            }
            if (oneIn(8)) {
                builder.parameter("b", text()).parameter("a", "1");
            }
        }
        if (oneIn(8)) {
            builder.doc("doc of " + kind);
        }
        if (oneIn(6) && kind < 19) {
            Object value = value(builder, false);
            if (value != null) {
                builder.defaultValue(value);
            }
        }
        return builder.build();
    }

    /** A value that the schema takes; null where it may be and {@code isNullable}. */
    Object value(Schema schema, boolean isNullable) {
        if (isNullable && (schema.isOptional() || schema.defaultValue() != null) && oneIn(4)) {
            return null;
        }
        if (schema.name() != null) {
            switch (schema.name()) {
                case Decimal.LOGICAL_NAME -> {
                    int scale = Integer.parseInt(schema.parameters().get(Decimal.SCALE_FIELD));
                    return new BigDecimal(decimal().unscaledValue(), scale);
                }
                case Date.LOGICAL_NAME -> {
                    return new java.util.Date((int) (moment() / DAY) * DAY);
                }
                case Time.LOGICAL_NAME -> {
                    return new java.util.Date(Math.floorMod(moment(), DAY));
                }
                case Timestamp.LOGICAL_NAME -> {
                    return new java.util.Date(moment());
                }
                default -> { }
            }
        }
        return switch (schema.type()) {
            case INT8 -> (byte) integer();
            case INT16 -> (short) integer();
            case INT32 -> (int) integer();
            case INT64 -> integer();
            case FLOAT32 -> single();
            case FLOAT64 -> number();
            case BOOLEAN -> random.nextBoolean();
            case STRING -> text();
            case BYTES -> bytes();
            case ARRAY -> {
                List<Object> list = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    list.add(value(schema.valueSchema(), schema.valueSchema().isOptional()));
                }
                yield list;
            }
            case MAP -> {
                // A HashMap, as converters make them; one entry where order could not be told.
                Map<Object, Object> map = new LinkedHashMap<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    map.put(value(schema.keySchema(), false),
                        value(schema.valueSchema(), schema.valueSchema().isOptional()));
                }
                yield map;
            }
            case STRUCT -> {
                Struct struct = new Struct(schema);
                for (Field field : schema.fields()) {
                    struct.put(field, value(field.schema(), field.schema().isOptional()));
                }
                yield struct;
            }
        };
    }

    /** The same value with HashMaps, filled in the same order. */
    static Object withHashMaps(Object value) {
        if (value instanceof List<?> list) {
            List<Object> out = new ArrayList<>();
            list.forEach(item -> out.add(withHashMaps(item)));
            return out;
        }
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> out = new HashMap<>();
            map.forEach((key, item) -> out.put(withHashMaps(key), withHashMaps(item)));
            return out;
        }
        if (value instanceof Struct struct) {
            Struct out = new Struct(struct.schema());
            struct.schema().fields().forEach(field -> out.put(field, withHashMaps(struct.getWithoutDefault(field.name()))));
            return out;
        }
        return value;
    }
}
