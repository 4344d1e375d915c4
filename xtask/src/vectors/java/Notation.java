// How schemas, values and errors stand in a vector: short JSON that tells all of Java's classes apart.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

final class Notation {
    static final JsonNodeFactory JSON = JsonNodeFactory.withExactBigDecimals(true);

    /** A schema with nothing but its type is the type's name. */
    static JsonNode schema(Schema schema) {
        if (schema == null) {
            return JSON.nullNode();
        }
        ObjectNode out = JSON.objectNode();
        String type = schema.type().getName();
        out.put("t", type);
        switch (schema.type()) {
            case ARRAY -> out.set("i", schema(schema.valueSchema()));
            case MAP -> {
                out.set("k", schema(schema.keySchema()));
                out.set("i", schema(schema.valueSchema()));
            }
            case STRUCT -> {
                ArrayNode fields = out.putArray("f");
                for (Field field : schema.fields()) {
                    fields.addArray().add(text(field.name())).add(schema(field.schema()));
                }
            }
            default -> { }
        }
        if (schema.isOptional()) {
            out.put("o", true);
        }
        if (schema.name() != null) {
            out.put("n", text(schema.name()));
        }
        if (schema.version() != null) {
            out.put("v", schema.version());
        }
        if (schema.doc() != null) {
            out.put("d", text(schema.doc()));
        }
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            ObjectNode parameters = out.putObject("p");
            schema.parameters().forEach((key, value) -> parameters.put(text(key), text(value)));
        }
        if (schema.defaultValue() != null) {
            out.set("def", value(schema.defaultValue()));
        }
        return out.size() == 1 ? out.get("t") : out;
    }

    /** What nests deeper is told by its depth alone: readers of vectors have limits of their own. */
    private static final int DEPTH_MAX = 40;

    /** Text, booleans, lists and null are themselves; all else is an object whose one key tells the class. */
    static JsonNode value(Object value) {
        int depth = depth(value);
        return depth > DEPTH_MAX ? JSON.objectNode().put("deep", depth) : nested(value);
    }

    /** Lists and maps of one item within each other. */
    private static int depth(Object value) {
        int depth = 0;
        for (; value instanceof List<?> || value instanceof Map<?, ?>; depth++) {
            var items = value instanceof List<?> list ? list : ((Map<?, ?>) value).values();
            value = items.size() == 1 ? items.iterator().next() : null;
        }
        return depth;
    }

    private static JsonNode nested(Object value) {
        if (value == null) {
            return JSON.nullNode();
        } else if (value instanceof Boolean flag) {
            return JSON.booleanNode(flag);
        } else if (value instanceof String string) {
            return JSON.textNode(text(string));
        } else if (value instanceof List<?> list) {
            ArrayNode items = JSON.arrayNode();
            list.forEach(item -> items.add(nested(item)));
            return items;
        }
        ObjectNode out = JSON.objectNode();
        if (value instanceof Byte number) {
            out.put("b", number);
        } else if (value instanceof Short number) {
            out.put("s", number);
        } else if (value instanceof Integer number) {
            out.put("i", number);
        } else if (value instanceof Long number) {
            out.put("l", number);
        } else if (value instanceof Float number) {
            out.put("f", number.toString());
        } else if (value instanceof Double number) {
            out.put("d", number.toString());
        } else if (value instanceof BigDecimal number) {
            out.put("n", number.toString());
        } else if (value instanceof java.util.Date date) {
            out.put("D", date.getTime());
        } else if (value instanceof byte[] bytes) {
            out.put("x", Base64.getEncoder().encodeToString(bytes));
        } else if (value instanceof Map<?, ?> map) {
            ArrayNode entries = out.putArray("m");
            map.forEach((key, item) -> entries.addArray().add(nested(key)).add(nested(item)));
        } else if (value instanceof Struct struct) {
            ArrayNode fields = out.putArray("t");
            for (Field field : struct.schema().fields()) {
                fields.add(nested(struct.getWithoutDefault(field.name())));
            }
        } else {
            throw new IllegalArgumentException("no notation for " + value.getClass());
        }
        return out;
    }

    static JsonNode bytes(byte[] bytes) {
        return bytes == null ? JSON.nullNode() : JSON.textNode(Base64.getEncoder().encodeToString(bytes));
    }

    static JsonNode error(Throwable error) {
        ArrayNode out = JSON.arrayNode().add(error.getClass().getName());
        return error.getMessage() == null ? out.addNull() : out.add(text(error.getMessage()));
    }

    /** Vectors are UTF-8, which has no lone surrogates. */
    static String text(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    }
}
