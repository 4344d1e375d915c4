// Settings of transforms and predicates: edges of each key, what is refused, and random ones.

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class TransformSettings {
    private static final String[] PATTERNS = {
        "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "yyyy-MM-dd HH:mm:ss.SSSXXX", "EEE, d MMM yyyy HH:mm:ss Z", "yyMMddHHmmss", "hh:mm a",
        "D/yyyy", "G yyyy-M-d", "YYYY-'W'ww-u", "S", "MMMM d, yyyyyy", "k K kk KK", "EEEE F W", "HH 'o''clock' z", "X XX", "yyyyMMdd", "y", "H:m:s"
    };
    private static final String[] BAD_PATTERNS = {"'", "yyyy b", "XXXX", "yyyy-MM-dd'T"};

    private final RecordSamples samples;
    private final List<Map<String, String>> made = new ArrayList<>();

    private TransformSettings(RecordSamples samples) {
        this.samples = samples;
    }

    private void add(String... keysAndValues) {
        Map<String, String> settings = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            if (keysAndValues[i + 1] != null) {
                settings.put(keysAndValues[i], keysAndValues[i + 1]);
            }
        }
        made.add(settings);
    }

    private String replace() {
        return samples.oneIn(3) ? "false" : null;
    }

    private String list(int max) {
        return String.join(",", samples.names(max));
    }

    private String pick(String... from) {
        return from[samples.random.nextInt(from.length)];
    }

    /** Settings that make something of most records; {@code random} of them are random. */
    static List<Map<String, String>> of(String name, RecordSamples samples, int random) {
        TransformSettings settings = new TransformSettings(samples);
        settings.make(name, random);
        return settings.made;
    }

    private void make(String name, int random) {
        switch (name) {
            case "Cast" -> {
                String[] types = {"int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"};
                for (String type : types) {
                    add("spec", type, "replace.null.with.default", replace());
                }
                add("spec", " a : STRING , b:Int8");
                for (int i = 0; i < random; i++) {
                    List<String> casts = new ArrayList<>();
                    samples.names(4).forEach(field -> casts.add(field + ":" + pick(types)));
                    add("spec", String.join(",", casts), "replace.null.with.default", replace());
                }
            }
            case "DropHeaders" -> {
                for (String headers : new String[] {"h", "i,h", "none", "h , é"}) {
                    add("headers", headers);
                }
            }
            case "ExtractField" -> {
                for (String path : new String[] {"a", "b", "d.e", "a.b", "a.b.c", "none", "", "a.", "`d.e`"}) {
                    add("field", path, "replace.null.with.default", replace());
                    add("field", path, "field.syntax.version", "V2", "replace.null.with.default", replace());
                }
                for (String path : new String[] {"`d.e`.a", "`a`.`b`", "a.`d.e`", ".a", "a..b", "a`b", "`a`b`.c", "\\`a", "`a\\`.b`"}) {
                    add("field", path, "field.syntax.version", "V2");
                }
            }
            case "Filter" -> add();
            case "Flatten" -> {
                for (String delimiter : new String[] {null, "_", "", "→", "."}) {
                    add("delimiter", delimiter);
                }
            }
            case "HeaderFrom" -> {
                for (int i = 0; i < random; i++) {
                    List<String> fields = samples.names(2);
                    List<String> headers = new ArrayList<>();
                    fields.forEach(field -> headers.add(pick("h", "i", "new")));
                    add("fields", String.join(",", fields), "headers", String.join(",", headers), "operation", pick("move", "copy"),
                        "replace.null.with.default", replace());
                }
                add("fields", "a,a", "headers", "h,h", "operation", "copy");
                add("fields", "a,a", "headers", "h,i", "operation", "move");
            }
            case "HoistField" -> {
                for (String field : new String[] {"a", "", "é `f"}) {
                    add("field", field);
                }
            }
            case "InsertField" -> {
                for (int i = 0; i < random; i++) {
                    String[] keys = {"topic.field", "partition.field", "offset.field", "timestamp.field", "static.field"};
                    List<String> settings = new ArrayList<>();
                    for (String key : keys) {
                        if (samples.oneIn(key.startsWith("offset") ? 4 : 2)) {
                            settings.add(key);
                            settings.add(pick("t", "u", "v", "w", "x", "y", "a") + key.charAt(0) + pick("", "", "!", "?"));
                        }
                    }
                    add(settings.toArray(String[]::new));
                    Map<String, String> last = made.get(made.size() - 1);
                    if (last.containsKey("static.field")) {
                        last.put("static.value", samples.text());
                    } else if (last.isEmpty()) {
                        last.put("timestamp.field", "ts");
                    }
                    if (replace() != null) {
                        last.put("replace.null.with.default", "false");
                    }
                }
                add("topic.field", "a");
                add("topic.field", "a!", "static.field", "b?", "static.value", "");
                add("topic.field", "z", "partition.field", "z");
                add("topic.field", "!");
                add("static.field", "", "static.value", "s");
                add("offset.field", "o!", "timestamp.field", "ts!", "partition.field", "p!");
            }
            case "InsertHeader" -> {
                for (String literal : new String[] {"text", "12", "300", "1.5", "true", "null", "", "[1,2]", "{\"a\":1}", "2019-08-23", "é\uD83D\uDE00"}) {
                    add("header", pick("h", "new", "é"), "value.literal", literal);
                }
            }
            case "MaskField" -> {
                for (String replacement : new String[] {null, null, null, "7", "300", "3.5", "abc", "99999999999999999999", "NaN", "1e3", " 5", "-0"}) {
                    add("fields", list(3), "replacement", replacement, "replace.null.with.default", replace());
                }
                add("fields", "none");
                for (int i = 0; i < random; i++) {
                    add("fields", list(4), "replacement", samples.oneIn(3) ? pick("1", "2.5", "x") : null, "replace.null.with.default", replace());
                }
            }
            case "RegexRouter" -> {
                add("regex", "(.*)-(\\d+)", "replacement", "$2-$1");
                add("regex", "orders", "replacement", "\\$x\\\\");
                add("regex", ".*", "replacement", "");
                add("regex", "(?<n>[a-z]+).*", "replacement", "${n}_${n}");
                add("regex", "[^a]+", "replacement", "$7");
                add("regex", "(a)?.*", "replacement", "<$1>");
                add("regex", "orders.*", "replacement", "$");
                add("regex", "x", "replacement", "${none}");
            }
            case "ReplaceField" -> {
                for (int i = 0; i < random; i++) {
                    List<String> renames = new ArrayList<>();
                    if (samples.oneIn(2)) {
                        samples.names(2).forEach(field -> renames.add(field + ":" + pick("n", "m", "a", "b")));
                    }
                    add("exclude", samples.oneIn(2) ? list(2) : null, "include", samples.oneIn(3) ? list(3) : null,
                        "renames", renames.isEmpty() ? null : String.join(",", renames), "replace.null.with.default", replace());
                }
                add();
                add("renames", "a:b,b:a");
                add("include", "a,a");
                add("include", "");
            }
            case "SetSchemaMetadata" -> {
                add("schema.name", "N");
                add("schema.version", "3");
                add("schema.name", "N", "schema.version", "-1", "replace.null.with.default", "false");
                add("schema.name", "");
            }
            case "TimestampConverter" -> {
                String[] targets = {"string", "unix", "Date", "Time", "Timestamp"};
                for (int i = 0; i < random; i++) {
                    String target = pick(targets);
                    boolean hasPattern = target.equals("string") || !samples.oneIn(6);
                    add("field", samples.oneIn(3) ? null : samples.oneIn(8) ? "none" : pick("a", "b"), "target.type", target,
                        "format", hasPattern ? pick(PATTERNS) : null,
                        "unix.precision", samples.oneIn(2) ? pick("seconds", "milliseconds", "microseconds", "nanoseconds") : null,
                        "replace.null.with.default", replace());
                }
            }
            case "TimestampRouter" -> {
                for (String pattern : PATTERNS) {
                    add("topic.format", samples.oneIn(3) ? pick("${topic}", "${timestamp}-${topic}-${timestamp}", "plain", "${Topic}$1") : null,
                        "timestamp.format", pattern);
                }
                add();
            }
            case "ValueToKey" -> {
                for (int i = 0; i < random; i++) {
                    add("fields", list(3), "replace.null.with.default", replace());
                }
                add("fields", "none,a");
            }
            case "HasHeaderKey" -> {
                add("name", "h");
                add("name", "é");
                add("name", "none");
            }
            case "RecordIsTombstone" -> add();
            case "TopicNameMatches" -> {
                add("pattern", "orders");
                add("pattern", "(?i)ORDERS.*");
                add("pattern", "");
                add("pattern", "[^\\p{ASCII}]+");
            }
            default -> throw new IllegalArgumentException(name);
        }
    }

    /** Settings of which most are refused. */
    static List<Map<String, String>> bad(String name) {
        TransformSettings settings = new TransformSettings(null);
        settings.makeBad(name);
        return settings.made;
    }

    private void makeBad(String name) {
        switch (name) {
            case "Cast" -> {
                add();
                add("spec", "int8", "replace.null.with.default", "maybe");
                for (String spec : new String[] {
                    "", " ", "a:bytes", "bytes", "a:nope", "nope", "a:b:int8", "int8,string", "int8,a:int8", "a:int8,string", "a:int8,a:string", "a:",
                    ":int8", "array", "a:map", "a:struct", ",", "a:int8,,b:int8", "a:int8,"
                }) {
                    add("spec", spec);
                }
            }
            case "DropHeaders" -> lists("headers");
            case "ExtractField" -> {
                add();
                add("field", "a", "field.syntax.version", "V3");
                add("field", "a", "field.syntax.version", "v1");
                add("field", "a", "field.syntax.version", "");
                add("field", "a", "replace.null.with.default", "");
                for (String path : new String[] {"`a", "a.`b", "`a`b", "`", "``", "`a.b\\`", "a.`b`c.d", "`a`.`"}) {
                    add("field", path, "field.syntax.version", "V2");
                    add("field", path);
                }
            }
            case "Filter" -> add("anything", "else");
            case "Flatten" -> add("unknown", "x");
            case "HeaderFrom" -> {
                add();
                add("fields", "a");
                add("fields", "a", "headers", "h");
                add("fields", "a,b", "headers", "h", "operation", "move");
                add("fields", "", "headers", "", "operation", "move");
                add("fields", "a", "headers", "", "operation", "move");
                add("fields", "a", "headers", "h", "operation", "MOVE");
                add("fields", "a", "headers", "h", "operation", "");
                add("fields", "a", "headers", "h", "operation", "steal");
                add("fields", "a", "headers", "h", "operation", "copy", "replace.null.with.default", "1");
            }
            case "HoistField" -> add();
            case "InsertField" -> {
                add();
                add("static.field", "a");
                add("static.value", "a");
                add("topic.field", "a", "replace.null.with.default", "yes");
                add("topic.field", "");
            }
            case "InsertHeader" -> {
                add();
                add("header", "h");
                add("value.literal", "1");
                add("header", "", "value.literal", "1");
            }
            case "MaskField" -> {
                lists("fields");
                add("fields", "a", "replacement", "");
                add("fields", "a", "replacement", " ");
                add("fields", "a", "replace.null.with.default", "x");
            }
            case "RegexRouter" -> {
                add();
                add("regex", "a");
                add("replacement", "a");
                add("regex", "(", "replacement", "a");
                add("regex", "[z-a]", "replacement", "a");
                add("regex", "*", "replacement", "a");
            }
            case "ReplaceField" -> {
                add("renames", "a");
                add("renames", "a:b:c");
                add("renames", ":");
                add("renames", "a:b,a:c");
                add("exclude", "a,a");
                add("exclude", "a,,b");
                add("exclude", " ");
                add("include", "a,,b");
                add("renames", "a:,b");
                add("replace.null.with.default", "no");
            }
            case "SetSchemaMetadata" -> {
                add();
                add("schema.version", "abc");
                add("schema.version", "2147483648");
                add("schema.version", "");
                add("schema.version", "1", "replace.null.with.default", "t");
            }
            case "TimestampConverter" -> {
                add();
                add("target.type", "date");
                add("target.type", "");
                add("target.type", "string");
                add("target.type", "string", "format", "");
                add("target.type", "unix", "unix.precision", "Seconds");
                add("target.type", "unix", "unix.precision", "");
                add("target.type", "Date", "replace.null.with.default", "x");
                for (String pattern : BAD_PATTERNS) {
                    add("target.type", "string", "format", pattern);
                    add("target.type", "Date", "format", pattern);
                }
            }
            case "TimestampRouter" -> {
                for (String pattern : BAD_PATTERNS) {
                    add("timestamp.format", pattern);
                }
                add("timestamp.format", "");
                add("topic.format", "");
            }
            case "ValueToKey" -> lists("fields");
            case "HasHeaderKey" -> {
                add();
                add("name", "");
                add("name", " ");
            }
            case "RecordIsTombstone" -> { }
            case "TopicNameMatches" -> {
                add();
                add("pattern", "(");
                add("pattern", "a{2,1}");
            }
            default -> throw new IllegalArgumentException(name);
        }
    }

    private void lists(String key) {
        add();
        for (String list : new String[] {"", " ", ",", "a,a", "a,,b", "a, ,b", "a,", ",a"}) {
            add(key, list);
        }
    }
}
