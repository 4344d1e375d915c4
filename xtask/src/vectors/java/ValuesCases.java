// Values.parseString and Values.convertToString, and what JsonConverter makes of what was parsed.

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.data.Values;
import org.apache.kafka.connect.json.JsonConverter;

final class ValuesCases {
    private static final String[] PARTS = {
        "null", "true", "false", "1", "-1", "300", "70000", "3000000000", "1.5", "1e3", "1.1e40", "+5", "-", "+", "99999999999999999999", "1e-5",
        "a", "abc", "\"a\"", "\"1\"", "\"", "\\\"", "\\", ",", ":", "{", "}", "[", "]", " ", "\t", "2019-08-23", "14:34:54.346Z", "2019-08-23T14:34:54.346Z",
        "\"2019-08-23\"", "\"14:34:54.346Z\"", "14\\:34\\:54.346Z", "é", "😀", "\u0663", "\u00a0", "NaN", "1f", "0x1", "1.", ".5", "+.5", "00", "{}", "[]"
    };
    private static final String[] TEXTS = {
        "", " ", "null", " null ", "null,", "nullx", "true", "  true", "TRUE", "false ", "true}", "1,2", "12 ", "0012", "1.0", "1e3", "1.5", "1.1e40",
        "99999999999999999999", "99999999999999999999.0", "123456789012345678901234567890.5", "12abc", "0x10", "1 2", "192.168.1.1", "NaN",
        "\"quoted\"", "14:34:54.346Z", "[1,2,3]", "[1,\"a\"]", "[1,2.5,3]", "[]", "{}", "{\"a\":1,\"b\":300}", "{\"a\":1,\"b\":null}", "{a:1}", "{\"a\":1 \"b\":2}",
        "[1,2]x", "[\"2019-08-23\"]", "2019-13-45", "[1,2,]", "{\"a\":1,}", "[,]", "[,1]", "[1,,2]", "{\"a\":1,,\"b\":2}", "1e19", "1e20", "1e39", "1e309", "1e-50",
        "1e-400", "\u0663", "5.", "+.5", ".5", "25:61:61.000Z", "24:00:00.000Z", "[{}]", "{\"a\":{}}", "[[1],[300]]", "[1,2019-08-23]", "[2019-08-23,2019-08-24]",
        "[99999999999999999999,1]", "[99999999999999999999,99999999999999999998]", "[1.5,99999999999999999999]", "[null,null]", "[null,1]", "[1,null]",
        "{\"a\":null}", "{\"a\":null,\"b\":null}", "{1:2}", "{1:\"a\",300:\"b\"}", "{null:1}", "{true:false}", "{[1]:2}", "{\"a\":[1,2],\"b\":[3]}", "[[1],[\"a\"]]", "[[],[1]]",
        "[[]]", "[{\"a\":1},{\"b\":2}]", "[true,false]", "[true,1]", "[\"a\" , \"b\"]", "[ 1 , 2 ]", "{ \"a\" : 1 }", "[\"a\\\"b\"]", "[\"\"]", "[\"a,b\"]", "[\"a:b\",\"c]\"]", "\\[1]",
        "\\\\[1]", "[1\\,2]", "2019-08-23T14:34:54.346Z", "2019-08-23T14\\:34\\:54.346Z", "0001-01-01", "1582-10-15", "1582-10-14", "1582-10-04", "9999-12-31",
        "1969-12-31", "1970-01-01", "2019-8-23x", "2019-08-2x", "2019/08/23", "-019-08-23", "2019-00-00", "2020-02-30", "1900-02-29", "2000-02-29", "0000-01-01",
        "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z", "2019-08-23T14:34:54.3467", "14:34:54.3466", "1:34:54.3466Z", "00:00:00.000Z", "23:59:59.999Z",
        "99:99:99.999Z", "14:34:54,346Z", "14:-4:54.346Z", "20190823", "2019-08-230", "127", "128", "-128", "-129", "32767", "32768", "2147483647", "2147483648",
        "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1.0e2", "3.4028235e38", "3.4028236e38", "1.7976931348623157e308",
        "1.8e308", "-1e400", "0.1", "-0.0", "-0", "0.0", "+0", "+1.5", "-1.5e-3", "1e0", "10e-1", "15e-1", "1E5", "1e+5", "1e", "1e5x", "--1", "+-1", "1_0", "1e99999999999",
        "1e2147483647", "1e-2147483647", "100000000000000000000e-18", "[1e3,1.5]", "[1,2", "[1 2]", "[1;2]", "{\"a\" 1}", "{\"a\":1", "{\"a\"}", "{:1}", "{,}", "{\"a\":}", "[[1,2],[3,4]",
        "[\"a\", \"b", "[a]", "[1,a]", "[true]", "[ true ]", "[truex]", "{\"k\":{\"n\":[1,{\"d\":2}]}}", "😀", "a😀", "\ud83d", "a\nb", "\n1", "1\n", " 1", "\u00a01", "\u20031", "1\u0000",
        "\u00001", "\u0661\u0662", "1\u0663", "\u0966", "\uff11", "\uff0b1", "²", "Ⅷ", "[\u0663]", "\\", "\\\\", "\"", "\"\"", "[\"\\\\\"]", "[\"a\\\\\",1]", ":", "::", ",", ",1", "}", "]", "] 1", "a:b", "a,b",
        "1:2", "1:2:3", "14:34:54:346Z", "2019-08-23 ", " 2019-08-23", "[2019-08-23T14:34:54.346Z]", "[14:34:54.346Z]", "[14:34:54.346Z,15:00:00.000Z]",
        "{\"t\":14:34:54.346Z}", "{2019-08-23:1}", "[\"14:34:54.346Z\"]", "[\"2019-08-23T14:34:54.346Z\"]", "[\"2019-08-23\",\"x\"]", "[\"true\"]", "[\"null\"]", "[\"1\"]", "[\"[1]\"]",
        "[1.5,2.5e40]", "[1,3000000000]", "[3000000000,1]", "[70000,1.5]", "[1,1e40]", "[300,1]", "[1.5,1]", "[1.1e40,1]", "[1.1e40,1.5]", "{1:1.5,2:3}", "{\"a\":1.5,\"b\":1.1e40}", "{\"a\":true,\"b\":1}",
        "{\"a\":\"x\",\"b\":1}", "{1:1,\"a\":2}", "{\"a\":1,\"a\":2}", "{1:1,1.0:2}", "{1:1,300:2,1:3}"
    };

    static void write(Vectors vectors) throws IOException {
        Samples samples = new Samples(4);
        JsonConverter json = new JsonConverter();
        json.configure(Map.of("schemas.enable", "true"), false);
        for (String text : TEXTS) {
            parse(vectors, json, text);
        }
        for (int i = 0; i < 900; i++) {
            StringBuilder text = new StringBuilder();
            for (int parts = 1 + samples.random.nextInt(9); parts > 0; parts--) {
                text.append(PARTS[samples.random.nextInt(PARTS.length)]);
            }
            parse(vectors, json, text.toString());
        }
        for (int i = 0; i < 500; i++) {
            parse(vectors, json, collection(samples, 2));
        }
        for (int i = 0; i < 200; i++) {
            parse(vectors, json, samples.text());
            parse(vectors, json, samples.decimal().toString());
        }
        for (int i = 0; i < 150; i++) {
            parse(vectors, json, String.format("%04d-%02d-%02d", samples.random.nextInt(3000), samples.random.nextInt(14), samples.random.nextInt(33)));
            parse(vectors, json, String.format("%02d:%02d:%02d.%03dZ", samples.random.nextInt(26), samples.random.nextInt(62), samples.random.nextInt(62), samples.random.nextInt(1000)));
        }
        for (int i = 0; i < 250; i++) {
            print(vectors, null, samples.schemaless(3, false));
            Schema schema = samples.schema(2);
            print(vectors, schema, samples.value(schema, true));
        }
        for (long moment : Samples.MOMENTS) {
            print(vectors, Timestamp.SCHEMA, new java.util.Date(moment));
            print(vectors, null, List.of(new java.util.Date(moment)));
        }
        for (String decimal : Samples.DECIMALS) {
            print(vectors, null, new java.math.BigDecimal(decimal));
        }
        List<Object> nulls = new ArrayList<>();
        nulls.add(null);
        print(vectors, null, nulls);
    }

    private static String collection(Samples samples, int depth) {
        String[] scalars = {"1", "2", "300", "-70000", "3000000000", "1.5", "2.5", "1e40", "true", "false", "\"a\"", "\"b c\"", "null", "99999999999999999999", "2019-08-23", "\"2020-01-01\""};
        int like = samples.random.nextInt(scalars.length);
        StringBuilder out = new StringBuilder();
        boolean isMap = samples.oneIn(3);
        out.append(isMap ? '{' : '[');
        int size = samples.random.nextInt(4);
        for (int i = 0; i < size; i++) {
            if (i > 0) {
                out.append(samples.oneIn(15) ? " " : samples.oneIn(4) ? ", " : ",");
            }
            if (isMap) {
                out.append(samples.oneIn(5) ? scalars[samples.random.nextInt(scalars.length)] : "\"k" + i + "\"").append(':');
            }
            if (depth > 0 && samples.oneIn(4)) {
                out.append(collection(samples, depth - 1));
            } else {
                out.append(samples.oneIn(4) ? scalars[samples.random.nextInt(scalars.length)] : scalars[Math.max(0, like - samples.random.nextInt(2))]);
            }
        }
        return out.append(isMap ? '}' : ']').toString();
    }

    private static void parse(Vectors vectors, JsonConverter json, String text) throws IOException {
        text = Notation.text(text);
        ObjectNode line = Notation.JSON.objectNode();
        line.put("text", text);
        SchemaAndValue parsed;
        try {
            parsed = Values.parseString(text);
        } catch (RuntimeException error) {
            line.set("error", Notation.error(error));
            vectors.add(line);
            return;
        }
        if (parsed == null) {
            line.putNull("schema");
            line.putNull("value");
            vectors.add(line);
            return;
        }
        line.set("schema", Notation.schema(parsed.schema()));
        line.set("value", Notation.value(parsed.value()));
        if (parsed.schema() != null && parsed.schema().type() != Schema.Type.STRING) {
            try {
                line.put("printed", Notation.text(Values.convertToString(parsed.schema(), parsed.value())));
            } catch (RuntimeException error) {
                line.set("printed", Notation.error(error));
            }
            try {
                line.put("json", Notation.text(new String(json.fromConnectData("t", parsed.schema(), parsed.value()), java.nio.charset.StandardCharsets.UTF_8)));
            } catch (RuntimeException error) {
                line.set("json", Notation.error(error));
            }
        }
        vectors.add(line);
    }

    private static void print(Vectors vectors, Schema schema, Object value) throws IOException {
        ObjectNode line = Notation.JSON.objectNode();
        line.set("schema", Notation.schema(schema));
        line.set("value", Notation.value(value));
        try {
            String printed = Values.convertToString(schema, value);
            line.put("printed", printed == null ? null : Notation.text(printed));
        } catch (RuntimeException error) {
            line.set("printed", Notation.error(error));
        }
        vectors.add(line);
    }
}
