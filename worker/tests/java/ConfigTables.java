// Prints the keys that Kafka Connect's own tables define, one per line: table, name, type, default, valid values, importance.
// `worker/tests/validate/tables.rs` compares ours with it.
import java.lang.reflect.Field;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;

public class ConfigTables {
    public static void main(String[] arguments) throws Exception {
        print("worker", of("org.apache.kafka.connect.runtime.standalone.StandaloneConfig", "CONFIG"));
        print("distributed", distributed());
        print("sink", of("org.apache.kafka.connect.runtime.SinkConnectorConfig", "CONFIG"));
        print("source", of("org.apache.kafka.connect.runtime.SourceConnectorConfig", "CONFIG"));
    }

    /** What it has beyond the keys of a standalone worker, which stand once. */
    static ConfigDef distributed() throws Exception {
        Class<?> crypto = Class.forName("org.apache.kafka.connect.runtime.distributed.Crypto");
        Field system = crypto.getDeclaredField("SYSTEM");
        system.setAccessible(true);
        var method = Class.forName("org.apache.kafka.connect.runtime.distributed.DistributedConfig")
            .getDeclaredMethod("config", crypto);
        method.setAccessible(true);
        ConfigDef all = (ConfigDef) method.invoke(null, system.get(null));
        ConfigDef known = of("org.apache.kafka.connect.runtime.standalone.StandaloneConfig", "CONFIG");
        ConfigDef more = new ConfigDef();
        for (ConfigDef.ConfigKey key : all.configKeys().values()) {
            if (!known.configKeys().containsKey(key.name)) {
                more.define(key);
            }
        }
        return more;
    }

    static ConfigDef of(String className, String fieldName) throws Exception {
        Class<?> type = Class.forName(className);
        try {
            Field field = type.getDeclaredField(fieldName);
            field.setAccessible(true);
            return (ConfigDef) field.get(null);
        } catch (NoSuchFieldException error) {
            var method = type.getDeclaredMethod("configDef");
            method.setAccessible(true);
            return (ConfigDef) method.invoke(null);
        }
    }

    static void print(String table, ConfigDef def) {
        for (ConfigDef.ConfigKey key : def.configKeys().values()) {
            String value = key.defaultValue == null ? "null"
                : key.hasDefault() ? "=" + ConfigDef.convertToString(key.defaultValue, key.type) : "required";
            String valid = key.validator == null ? "" : key.validator.toString();
            if (valid.contains("@") || valid.contains("$$Lambda")) {
                valid = "?";
            }
            line("key", table, key.name, key.type.toString(), value, valid, key.importance.toString());
        }
        for (ConfigDef.ConfigKey key : def.configKeys().values()) {
            for (String text : VALUES) {
                if (key.type != ConfigDef.Type.CLASS && !key.name.endsWith("plugin.version")) {
                    line("value", table, key.name, text, outcome(key, text));
                }
            }
        }
    }

    static final String[] VALUES = {
        "", "x", "0", "-1", "1", " 5 ", "true", "a,a", "a,,b", "a, b", "all", "NONE", "hybrid_fail", "http://h:1", "ftp://h:1",
        "required", "info", "INFO", "99999999999", "https", "HTTPS",
    };

    static String outcome(ConfigDef.ConfigKey key, String text) {
        try {
            Object parsed = new ConfigDef().define(key).parse(Map.of(key.name, text)).get(key.name);
            return "=" + ConfigDef.convertToString(parsed, key.type);
        } catch (RuntimeException error) {
            // What a virtual machine knows is its own affair.
            return error.getMessage().replaceAll("(supported algorithms are: \\[)[^\\]]*", "$1...");
        }
    }

    static void line(String... fields) {
        System.out.println(String.join("\t", fields).replace("\n", "\\n"));
    }
}
