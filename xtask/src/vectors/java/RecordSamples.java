// Records to transform: what differs from the samples of converters is that fields, headers and texts are those that settings name.

import java.math.BigDecimal;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

final class RecordSamples extends Samples {
    /** What a setting may name. */
    static final List<String> NAMES = List.of("a", "b", "c", "d.e");
    private static final String[] NUMBERS = {
        "7", "-129", "+5", " 12 ", "1e3", "0x1p3", "1f", "2.5d", "NaN", "-Infinity", "9223372036854775808", "TRUE", "tRue", "false", "-0",
        "3.4028236E38", "٣", "1_000", "0012", "half \uD800 a pair"
    };

    /** What the fields of records are about. */
    enum Theme { ANY, NESTED, MOMENTS }

    private final Theme theme;
    /** Pattern of the texts that stand for moments. */
    private String pattern = "";

    RecordSamples(long seed, Theme theme) {
        super(seed);
        this.theme = theme;
    }

    void pattern(String pattern) {
        this.pattern = pattern == null ? "" : pattern;
    }

    @Override
    String text() {
        if (theme == Theme.MOMENTS && !pattern.isEmpty() && !oneIn(5)) {
            String text = momentText();
            return oneIn(8) ? text + "!" : oneIn(10) && !text.isEmpty() ? text.substring(1) : text;
        }
        return oneIn(3) ? NUMBERS[random.nextInt(NUMBERS.length)] : super.text();
    }

    private String momentText() {
        try {
            SimpleDateFormat format = new SimpleDateFormat(pattern);
            format.setTimeZone(TimeZone.getTimeZone("UTC"));
            return format.format(new java.util.Date(oneIn(4) ? moment() : random.nextLong() >> 22));
        } catch (IllegalArgumentException error) {
            return "2024-02-29";
        }
    }

    /** One or several of what a setting may name, in any order. */
    List<String> names(int max) {
        List<String> names = new ArrayList<>(NAMES);
        Collections.shuffle(names, random);
        return names.subList(0, 1 + random.nextInt(Math.min(max, names.size())));
    }

    /** The schema of a field. */
    private Schema fieldSchema(int depth) {
        if (depth > 0 && oneIn(theme == Theme.NESTED ? 2 : 4)) {
            return structSchema(depth - 1);
        }
        if (depth > 0 && oneIn(6)) {
            return schema(1);
        }
        if (theme != Theme.MOMENTS || oneIn(4)) {
            return schema(0);
        }
        SchemaBuilder builder = switch (random.nextInt(5)) {
            case 0 -> Date.builder();
            case 1 -> Time.builder();
            case 2 -> Timestamp.builder();
            case 3 -> SchemaBuilder.int64();
            default -> SchemaBuilder.string();
        };
        if (oneIn(8)) {
            builder.defaultValue(value(builder, false));
        }
        return (random.nextBoolean() ? builder.optional() : builder).build();
    }

    /** A struct whose fields settings may name. */
    Schema structSchema(int depth) {
        SchemaBuilder builder = SchemaBuilder.struct();
        if (!oneIn(12)) {
            for (String name : names(4)) {
                builder.field(name, fieldSchema(depth));
            }
        }
        if (oneIn(3)) {
            builder.optional();
        }
        if (oneIn(5)) {
            builder.name("S" + random.nextInt(2)).version(random.nextInt(3));
        }
        if (oneIn(8)) {
            builder.doc("d").parameter("q", "1");
        }
        return builder.build();
    }

    /** The schema of a whole value that is no struct. */
    Schema plainSchema() {
        return oneIn(5) ? schema(1) : fieldSchema(0);
    }

    @Override
    Object schemaless(int depth, boolean isJson) {
        if (theme == Theme.MOMENTS && oneIn(3)) {
            return oneIn(2) ? new java.util.Date(moment()) : (Object) integer();
        }
        if (!isJson && oneIn(10)) {
            return oneIn(2) ? new java.util.Date(moment()) : (Object) decimal();
        }
        return super.schemaless(depth, isJson);
    }

    /** A map without schema whose keys settings may name. */
    Map<Object, Object> map(int depth, boolean isJson) {
        Map<Object, Object> map = new LinkedHashMap<>();
        if (!oneIn(12)) {
            for (String name : names(4)) {
                map.put(name, depth > 0 && oneIn(theme == Theme.NESTED ? 2 : 3) ? map(depth - 1, isJson) : schemaless(1, isJson));
            }
        }
        return map;
    }

    /** Other values of the same shape: what makes a column of one struct array. */
    Object like(Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> out = new LinkedHashMap<>();
            map.forEach((key, item) -> out.put(key, like(item)));
            return out;
        } else if (value instanceof List<?> list) {
            List<Object> out = new ArrayList<>();
            list.forEach(item -> out.add(like(item)));
            return out;
        } else if (oneIn(6)) {
            return null;
        } else if (value instanceof Long) {
            return integer();
        } else if (value instanceof Double) {
            return number();
        } else if (value instanceof String) {
            return text();
        } else if (value instanceof Boolean) {
            return random.nextBoolean();
        }
        return value;
    }

    Long timestamp() {
        if (oneIn(4)) {
            return null;
        }
        long moment = oneIn(3) ? moment() : random.nextLong() >>> 23;
        // To Kafka that one says that there is none.
        return moment == -1 ? 0 : moment;
    }

    String topic() {
        return pick(List.of("orders", "orders-12", "a.b", "日本", "x"));
    }
}
